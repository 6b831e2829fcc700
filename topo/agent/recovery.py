"""What a pod's status says to an agent that was restarted. Pure.

Containers died with the agent that ran them. What the API last heard of each is where its successor goes on: restarts
are counted on from there, and init containers that succeeded are not run again.
"""

from __future__ import annotations

from datetime import datetime

from k8sshim.objects import Raw
from topo.agent import restarts
from topo.agent.podspec import ContainerSpec, PodSpec
from topo.agent.status import ContainerState, Terminated, Waiting

LOST = "the node agent was restarted"


def recover(spec: PodSpec, status: Raw, now: float) -> dict[str, ContainerState]:
    """The states to begin with: of a pod that nobody ran yet, all waiting."""
    reported = {
        entry["name"]: entry
        for part in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for entry in status.get(part) or ()
    }
    inits = {c.name: _recovered(spec, c, reported.get(c.name), now, init=True) for c in spec.init_containers}
    mains = {c.name: _recovered(spec, c, reported.get(c.name), now, init=False) for c in spec.containers}
    return inits | mains | {c.name: _ephemeral(reported.get(c.name), now) for c in spec.ephemeral}


def _ephemeral(entry: Raw | None, now: float) -> ContainerState:
    """An ephemeral container runs once: one that was begun has ended with the agent that ran it."""
    state = (entry or {}).get("state") or {}
    if "running" in state:
        started = parse_time(state["running"].get("startedAt"), now)
        return ContainerState(Terminated(137, "Error", LOST, started, now))
    ended = _terminated(state.get("terminated"), now)
    return ContainerState(ended or Waiting("ContainerCreating"))


def parse_time(text: str | None, default: float) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    if not text:
        return default
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _recovered(spec: PodSpec, container: ContainerSpec, entry: Raw | None, now: float, *, init: bool) -> ContainerState:
    reason = "PodInitializing" if spec.init_containers else "ContainerCreating"
    if entry is None:
        return ContainerState(Waiting(reason))
    count = int(entry.get("restartCount") or 0)
    last = _terminated((entry.get("lastState") or {}).get("terminated"), now)
    state = entry.get("state") or {}
    kind = (entry.get("imageID") or "").removeprefix("podwire://")
    if "running" in state:
        started = parse_time(state["running"].get("startedAt"), now)
        return ContainerState(Waiting(reason), Terminated(137, "Error", LOST, started, now), count + 1)
    ended = _terminated(state.get("terminated"), now)
    if ended is None:
        return ContainerState(Waiting(reason), last, count + 1 if last else count)
    policy = restarts.policy_of(spec.restart_policy, init=init, sidecar=container.sidecar)
    again = not (init and not container.sidecar and ended.exit_code == 0) and restarts.wanted(policy, ended.exit_code)
    return ContainerState(Waiting(reason), ended, count + 1) if again else ContainerState(ended, last, count, kind=kind)


def _terminated(raw: Raw | None, now: float) -> Terminated | None:
    if not raw:
        return None
    return Terminated(
        int(raw.get("exitCode") or 0),
        raw.get("reason") or "",
        raw.get("message") or "",
        parse_time(raw.get("startedAt"), now),
        parse_time(raw.get("finishedAt"), now),
    )
