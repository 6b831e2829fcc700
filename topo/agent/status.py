"""A pod's status, built from the states of its containers. Pure.

The rules of phase and conditions are those of "Pod Lifecycle" in the Kubernetes documentation. Times are seconds
since the epoch and come in as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeAlias

from k8sshim.objects import Raw
from topo.agent.podspec import ContainerSpec, PodSpec


@dataclass(frozen=True)
class Waiting:
    """Not started yet, or waiting to be started again."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    started_at: float


@dataclass(frozen=True)
class Terminated:
    """Ended with an exit code; 128 and the signal's number where a signal ended it."""

    exit_code: int
    reason: str
    message: str
    started_at: float
    finished_at: float


State: TypeAlias = Waiting | Running | Terminated


@dataclass(frozen=True)
class ContainerState:
    """What is to be said of one container."""

    state: State
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    kind: str = ""  # "stand-in" or "command", once it has started


@dataclass(frozen=True)
class Address:
    """Where the pod is."""

    pod_ips: tuple[str, ...]
    host_ips: tuple[str, ...]


States = Mapping[
    str, ContainerState
]  # container's name -> its state; init containers' names are distinct from the others'


def timestamp(when: float) -> str:
    """RFC 3339 with seconds, as the API has it."""
    return datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase(spec: PodSpec, states: States) -> str:
    """Pending, Running, Succeeded or Failed."""
    for container in spec.init_containers:
        state = states[container.name].state
        if container.sidecar:
            if not states[container.name].started and not isinstance(state, Terminated):
                return "Pending"
        elif not isinstance(state, Terminated):
            return "Pending"
        elif state.exit_code != 0:
            return "Failed" if spec.restart_policy == "Never" else "Pending"
    return _phase_of_containers(spec, [states[container.name] for container in spec.containers])


def _phase_of_containers(spec: PodSpec, states: Sequence[ContainerState]) -> str:
    if any(isinstance(s.state, Waiting) and s.last is None for s in states):
        return "Pending"
    if spec.restart_policy == "Always" or not all(isinstance(s.state, Terminated) for s in states):
        return "Running"
    if all(isinstance(s.state, Terminated) and s.state.exit_code == 0 for s in states):
        return "Succeeded"
    return "Failed" if spec.restart_policy == "Never" else "Running"


def pod_status(
    spec: PodSpec, states: States, address: Address | None, *, started_at: float, now: float, previous: Raw
) -> Raw:
    """The status to report. `previous` is the status as the API last had it: conditions that did not change keep their
    times, and those of other writers stay."""
    now_phase = phase(spec, states)
    result: Raw = {
        "phase": now_phase,
        "conditions": _conditions(
            spec, states, now_phase, now, previous, connected=address is not None and bool(address.pod_ips)
        ),
        "startTime": timestamp(started_at),
        "qosClass": previous.get("qosClass") or "BestEffort",
        "containerStatuses": [container_status(spec, c, states[c.name]) for c in spec.containers],
    }
    if spec.init_containers:
        result["initContainerStatuses"] = [
            container_status(spec, c, states[c.name], init=True) for c in spec.init_containers
        ]
    if spec.ephemeral:
        result["ephemeralContainerStatuses"] = [container_status(spec, c, states[c.name]) for c in spec.ephemeral]
    if address:
        result["hostIP"] = address.host_ips[0]
        result["hostIPs"] = [{"ip": one} for one in address.host_ips]
    if address and address.pod_ips:
        result["podIP"] = address.pod_ips[0]
        result["podIPs"] = [{"ip": one} for one in address.pod_ips]
    return result


def container_status(spec: PodSpec, container: ContainerSpec, state: ContainerState, *, init: bool = False) -> Raw:
    """One entry of containerStatuses or initContainerStatuses."""
    finished_init = init and not container.sidecar
    ready = _exit_code(state.state) == 0 if finished_init else state.ready
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"podwire://{state.kind}" if state.kind else "",
        "containerID": f"podwire://{spec.uid}/{container.name}/{state.restarts}" if state.kind else "",
        "ready": ready,
        "started": state.started,
        "restartCount": state.restarts,
        "state": _state(spec, container, state.state, state.restarts),
        "lastState": _state(spec, container, state.last, state.restarts - 1) if state.last else {},
    }


def _state(spec: PodSpec, container: ContainerSpec, state: State, restarts: int) -> Raw:
    if isinstance(state, Running):
        return {"running": {"startedAt": timestamp(state.started_at)}}
    if isinstance(state, Waiting):
        return {"waiting": _with_message({"reason": state.reason}, state.message)}
    ended = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "startedAt": timestamp(state.started_at),
        "finishedAt": timestamp(state.finished_at),
        "containerID": f"podwire://{spec.uid}/{container.name}/{max(0, restarts)}",
    }
    if state.exit_code > 128 and state.reason != "StartError":
        ended["signal"] = state.exit_code - 128
    return {"terminated": _with_message(ended, state.message)}


def _with_message(raw: Raw, message: str) -> Raw:
    return {**raw, "message": message} if message else raw


def _exit_code(state: State) -> int | None:
    return state.exit_code if isinstance(state, Terminated) else None


def _conditions(
    spec: PodSpec, states: States, now_phase: str, now: float, previous: Raw, *, connected: bool
) -> list[Raw]:
    finished = now_phase in ("Succeeded", "Failed")
    lasting = [*(c for c in spec.init_containers if c.sidecar), *spec.containers]
    unready = [c.name for c in lasting if not states[c.name].ready]
    pending = [c.name for c in spec.init_containers if not initialized_one(c, states[c.name])]
    why_unready = ("", "")
    if finished:
        why_unready = ("PodCompleted" if now_phase == "Succeeded" else "PodFailed", "")
    elif unready:
        why_unready = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    why_uninitialized = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(pending)}]")
    ready = not unready and not pending and not finished
    wanted = [
        ("PodReadyToStartContainers", connected and not finished, ("", "")),
        ("PodScheduled", True, ("", "")),
        ("Initialized", not pending, why_uninitialized if pending else ("", "")),
        ("ContainersReady", ready, why_unready),
        ("Ready", ready, why_unready),
    ]
    return merge_conditions(wanted, now, previous.get("conditions") or [])


def initialized_one(container: ContainerSpec, state: ContainerState) -> bool:
    """Whether one init container has done its part."""
    return state.started if container.sidecar else _exit_code(state.state) == 0


def merge_conditions(
    wanted: Sequence[tuple[str, bool, tuple[str, str]]], now: float, previous: Sequence[Raw]
) -> list[Raw]:
    """The wanted (type, status, (reason, message)) with the time of their last change; others' as they were."""
    before = {condition["type"]: condition for condition in previous}
    result = []
    for kind, status, (reason, message) in wanted:
        text = "True" if status else "False"
        old = before.pop(kind, None)
        since = old.get("lastTransitionTime") if old and old.get("status") == text else None
        condition = {"type": kind, "status": text, "lastTransitionTime": since or timestamp(now)}
        condition.update({name: value for name, value in (("reason", reason), ("message", message)) if value})
        result.append(condition)
    return result + list(before.values())
