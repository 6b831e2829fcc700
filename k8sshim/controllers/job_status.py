"""What a Job has come to: its pods counted, each once, and whether it is complete or has failed. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy and
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobStatus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.controllers.pods import format_time, is_active, is_terminating, parse_time, phase
from k8sshim.endpoints import is_ready
from k8sshim.objects import Raw

_INDEX = "batch.kubernetes.io/job-completion-index"
_BACK_OFF_LIMIT = 6  # where nothing is said


@dataclass(frozen=True)
class Tally:
    """A Job's pods, by what has become of them."""

    active: list[Raw]
    leaving: list[Raw]  # on their way out, and not ended
    to_release: list[Raw]  # ended and counted: nothing has to keep them
    uncounted: Raw  # what the status notes of pods that are counted and not released
    succeeded: int
    failed: int
    completed_indexes: frozenset[int]
    restarts: int  # of containers of active pods
    failures_in_a_row: int
    last_failure: datetime | None


def finished(job: Raw) -> bool:
    """Whether a Job is complete or has failed."""
    return any(
        _is(each, "Complete") or _is(each, "Failed") for each in (job.get("status") or {}).get("conditions") or ()
    )


def _is(condition: Raw, kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"


def tally(job: Raw, pods: list[Raw], tracked: Callable[[Raw], bool], now: datetime) -> Tally:
    """Count. Who has ended and is tracked is counted now, unless the status says that it was."""
    status = job.get("status") or {}
    noted = status.get("uncountedTerminatedPods") or {}
    known = {*(noted.get("succeeded") or ()), *(noted.get("failed") or ())}
    ended = [pod for pod in pods if tracked(pod) and _outcome(pod)]
    fresh = [pod for pod in ended if pod["metadata"]["uid"] not in known]
    by_outcome = {kind: [pod for pod in fresh if _outcome(pod) == kind] for kind in ("succeeded", "failed")}
    indexes = indexes_of(status.get("completedIndexes") or "") | {
        int(index)
        for pod in by_outcome["succeeded"]
        if (index := (pod["metadata"].get("annotations") or {}).get(_INDEX))
    }
    indexed = job["spec"].get("completionMode") == "Indexed"
    failures = [moment for pod in pods if _outcome(pod) == "failed" and (moment := _ended_at(pod))]
    successes = [moment for pod in pods if _outcome(pod) == "succeeded" and (moment := _ended_at(pod))]
    last_success = max(successes, default=None)
    in_a_row = [each for each in failures if last_success is None or each > last_success]
    return Tally(
        active=[pod for pod in pods if is_active(pod)],
        leaving=[pod for pod in pods if is_terminating(pod) and not _outcome(pod)],
        to_release=ended,
        uncounted={
            kind: uids
            for kind in ("succeeded", "failed")
            if (uids := [pod["metadata"]["uid"] for pod in ended if _outcome(pod) == kind])
        },
        succeeded=len(indexes) if indexed else int(status.get("succeeded") or 0) + len(by_outcome["succeeded"]),
        failed=int(status.get("failed") or 0) + len(by_outcome["failed"]),
        completed_indexes=frozenset(indexes),
        restarts=sum(_restarts(pod) for pod in pods if is_active(pod)),
        failures_in_a_row=len(in_a_row),
        last_failure=max(in_a_row, default=None),
    )


def _outcome(pod: Raw) -> str:
    """What has become of a pod: succeeded, failed, or nothing yet."""
    if phase(pod) == "Succeeded":
        return "succeeded"
    return "failed" if phase(pod) == "Failed" or _is_gone(pod) else ""


def _is_gone(pod: Raw) -> bool:
    """Whether a pod that was deleted has ended: its node has said so, or it never had one."""
    metadata = pod["metadata"]
    ended = metadata.get("deletionGracePeriodSeconds") == 0 or not (pod.get("spec") or {}).get("nodeName")
    return is_terminating(pod) and ended


def _ended_at(pod: Raw) -> datetime | None:
    ends = [
        parse_time((each.get("state") or {}).get("terminated", {}).get("finishedAt"))
        for each in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    created = parse_time(pod["metadata"].get("deletionTimestamp") or pod["metadata"].get("creationTimestamp"))
    return max((each for each in ends if each), default=created)


def _restarts(pod: Raw) -> int:
    return sum(int(each.get("restartCount") or 0) for each in (pod.get("status") or {}).get("containerStatuses") or ())


def settled(job: Raw, counted: Tally, now: datetime) -> Raw:
    """The Job's status by that count."""
    old = job.get("status") or {}
    suspended = bool(job["spec"].get("suspend"))
    status: Raw = {
        "startTime": None if suspended else old.get("startTime") or format_time(now),
        "active": len(counted.active),
        "ready": sum(map(is_ready, counted.active)),
        "terminating": len(counted.leaving),
        "succeeded": counted.succeeded,
        "failed": counted.failed,
        "completedIndexes": index_text(counted.completed_indexes),
        "uncountedTerminatedPods": counted.uncounted,
    }
    conditions = [each for each in old.get("conditions") or () if each.get("type") != "Suspended"]
    conditions += _suspension(old.get("conditions") or (), suspended=suspended, now=now)
    for kind, reason, message in _verdict(job, counted, now):
        conditions.append(_condition(kind, reason, message, now))
        if kind == "Complete":
            status["completionTime"] = format_time(now)
    shown = {
        name: value
        for name, value in status.items()
        if value or name in ("ready", "uncountedTerminatedPods", "terminating")
    }
    return shown | ({"conditions": conditions} if conditions else {})


def _suspension(conditions: Iterable[Raw], *, suspended: bool, now: datetime) -> list[Raw]:
    old = next((each for each in conditions if each.get("type") == "Suspended"), None)
    if old is None and not suspended:
        return []
    state, reason, message = (
        ("True", "JobSuspended", "Job suspended") if suspended else ("False", "JobResumed", "Job resumed")
    )
    if old and old.get("status") == state:
        return [old]
    return [_condition("Suspended", reason, message, now) | {"status": state}]


def _condition(kind: str, reason: str, message: str, now: datetime) -> Raw:
    moment = format_time(now)
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": moment,
        "lastTransitionTime": moment,
    }


def _verdict(job: Raw, counted: Tally, now: datetime) -> list[tuple[str, str, str]]:
    """The conditions with which a Job ends; none while it goes on."""
    spec, began = job["spec"], parse_time((job.get("status") or {}).get("startTime"))
    limit = spec.get("backoffLimit")
    limit = _BACK_OFF_LIMIT if limit is None else int(limit)
    if counted.failed > limit or (
        spec["template"]["spec"].get("restartPolicy") == "OnFailure" and counted.restarts > limit
    ):
        return _both("FailureTarget", "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline_s = spec.get("activeDeadlineSeconds")
    if deadline_s is not None and began and not spec.get("suspend") and (now - began).total_seconds() >= deadline_s:
        return _both("FailureTarget", "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    completions = spec.get("completions")
    enough = counted.succeeded >= completions if completions is not None else counted.succeeded and not counted.active
    if enough and not counted.leaving and not (completions is None and counted.active):
        return _both(
            "SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        )
    return []


def _both(first: str, last: str, reason: str, message: str) -> list[tuple[str, str, str]]:
    return [(first, reason, message), (last, reason, message)]


def indexes_of(text: str) -> set[int]:
    """`0-2,5` as a set."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def index_text(indexes: Iterable[int]) -> str:
    """A set as `0-2,5`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
