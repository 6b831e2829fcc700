"""What `kubectl get pods` says of a pod: how many containers are ready, its state in one word, its restarts.

The state is the most telling of many: a container that waits or has ended explains more than the phase. The order is
that of Kubernetes' printer (pkg/printers/internalversion/printers.go, printPod). Pure.
"""

from __future__ import annotations

from k8sshim.objects import Raw


def ready(raw: Raw) -> str:
    """`1/2`: ready containers of all, sidecars (init containers that stay) among them."""
    statuses = [*_statuses(raw, "containerStatuses"), *_sidecar_statuses(raw)]
    containers = len(_spec(raw).get("containers") or ()) + len(_sidecars(raw))
    return f"{sum(1 for status in statuses if status.get('ready'))}/{containers}"


def restarts(raw: Raw) -> str:
    statuses = _statuses(raw, "containerStatuses") or _statuses(raw, "initContainerStatuses")
    return str(sum(status.get("restartCount", 0) for status in statuses))


def restarted(raw: Raw) -> str | None:
    """When the last run before the present one of any of its containers ended; None where none has restarted."""
    if restarts(raw) == "0":
        return None
    statuses = (*_statuses(raw, "containerStatuses"), *_sidecar_statuses(raw))
    statuses = statuses or tuple(_statuses(raw, "initContainerStatuses"))
    ended = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in statuses]
    return max(filter(None, ended), default=None)


def readiness_gates(raw: Raw) -> str:
    gates = [gate["conditionType"] for gate in _spec(raw).get("readinessGates") or ()]
    conditions = {c.get("type"): c.get("status") for c in _status(raw).get("conditions") or ()}
    met = sum(1 for gate in gates if conditions.get(gate) == "True")
    return f"{met}/{len(gates)}" if gates else "<none>"


def status(raw: Raw) -> str:
    reason = _status(raw).get("reason") or _status(raw).get("phase") or "Unknown"
    scheduled: Raw = next((c for c in _status(raw).get("conditions") or () if c.get("type") == "PodScheduled"), {})
    if scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initialising = _init_reason(raw)
    reason = initialising or _container_reason(raw, reason)
    if (raw.get("metadata") or {}).get("deletionTimestamp") and reason not in ("Completed", "Succeeded", "Failed"):
        return "Unknown" if _status(raw).get("reason") == "NodeLost" else "Terminating"
    return reason


def _init_reason(raw: Raw) -> str:
    """`Init:0/2` and its like while an init container is not done; "" once all are."""
    total = len(_spec(raw).get("initContainers") or ())
    sidecars = _sidecars(raw)
    for place, container in enumerate(_statuses(raw, "initContainerStatuses")):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if (ended and ended.get("exitCode") == 0) or (container.get("name") in sidecars and container.get("started")):
            continue
        if ended:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{place}/{total}"
    return ""


def _container_reason(raw: Raw, reason: str) -> str:
    running = False
    for container in reversed(_statuses(raw, "containerStatuses")):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = ended.get("reason") or _exit(ended)
        elif container.get("ready") and state.get("running"):
            running = True
    if reason == "Completed" and running:
        conditions = {c.get("type"): c.get("status") for c in _status(raw).get("conditions") or ()}
        return "Running" if conditions.get("Ready") == "True" else "NotReady"
    return reason


def _exit(ended: Raw) -> str:
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _spec(raw: Raw) -> Raw:
    return raw.get("spec") or {}


def _status(raw: Raw) -> Raw:
    return raw.get("status") or {}


def _statuses(raw: Raw, field: str) -> list[Raw]:
    return list(_status(raw).get(field) or ())


def _sidecars(raw: Raw) -> list[str]:
    return [c.get("name", "") for c in _spec(raw).get("initContainers") or () if c.get("restartPolicy") == "Always"]


def _sidecar_statuses(raw: Raw) -> list[Raw]:
    names = _sidecars(raw)
    return [status for status in _statuses(raw, "initContainerStatuses") if status.get("name") in names]
