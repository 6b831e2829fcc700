"""CronJobs: a Job at every moment of a schedule.

https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ and `pkg/controller/cronjob` of
kubernetes/kubernetes; schedules are read by cronsim.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from k8sshim.client import resource_for
from k8sshim.controllers.job_status import finished
from k8sshim.controllers.jobs import JOBS
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.pods import format_time, parse_time
from k8sshim.controllers.world import Change, World, controller_uid
from k8sshim.controllers.writes import NOTHING, Create, Delete, Plan, Write, with_status
from k8sshim.endpoints import owner_reference
from k8sshim.objects import Key, Raw

CRON_JOBS = resource_for("batch/v1", "CronJob")
_SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MOST_MISSED = 100  # moments looked back to; one alone is made up for


@dataclass(frozen=True)
class CronJobs:
    """The controller."""

    name: str = "cronjob"
    delay_s: float = 0.1

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == CRON_JOBS:
            yield change.key
        elif change.resource == JOBS:
            for owner in change.latest["metadata"].get("ownerReferences") or ():
                if owner.get("controller") and owner.get("kind") == CRON_JOBS.kind:
                    yield Key(change.key.namespace, owner.get("name") or "")

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        cron = world.get(CRON_JOBS, key)
        if cron is None or cron["metadata"].get("deletionTimestamp"):
            return NOTHING
        uid = cron["metadata"]["uid"]
        jobs = [job for job in world.owned(JOBS, uid) if controller_uid(job) == uid]
        status = _status(cron, jobs)
        moments = _Moments.of(cron, around.now)
        due = None if cron["spec"].get("suspend") or moments is None else moments.due
        making = _begin(cron, jobs, due) if due else []
        if due:
            status["lastScheduleTime"] = format_time(due)
        return Plan.of(
            [write for write in making if isinstance(write, Delete)],
            [write for write in making if isinstance(write, Create)],
            [*with_status(CRON_JOBS, cron, status), *_tidy(cron, jobs)],
            again_after_s=moments.next_s if moments else None,
        )


@dataclass(frozen=True)
class _Moments:
    """The last moment that is due and has no Job, and the seconds until the next."""

    due: datetime | None
    next_s: float

    @classmethod
    def of(cls, cron: Raw, now: datetime) -> _Moments | None:
        """None for a schedule that cannot be read."""
        spec = cron["spec"]
        since = parse_time((cron.get("status") or {}).get("lastScheduleTime")) or parse_time(
            cron["metadata"].get("creationTimestamp")
        )
        try:
            zone = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else timezone.utc
            times = CronSim(_MACROS.get(spec["schedule"], spec["schedule"]), (since or now).astimezone(zone))
        except (CronSimError, ZoneInfoNotFoundError, ValueError):
            return None
        due: datetime | None = None
        for _ in range(_MOST_MISSED):
            moment = next(times)
            if moment > now:
                return cls(_in_time(spec, due, now), max((moment - now).total_seconds(), 0.01))
            due = moment
        return cls(_in_time(spec, due, now), 0.01)


def _in_time(spec: Raw, due: datetime | None, now: datetime) -> datetime | None:
    """Unless it is too late for it (startingDeadlineSeconds)."""
    limit_s = spec.get("startingDeadlineSeconds")
    late = due is not None and limit_s is not None and now - due > timedelta(seconds=limit_s)
    return None if late else due


def _begin(cron: Raw, jobs: list[Raw], due: datetime) -> list[Write]:
    running = [job for job in jobs if not finished(job)]
    policy = cron["spec"].get("concurrencyPolicy")
    if policy == "Forbid" and running:
        return []
    ended: list[Write] = [_deletion(job) for job in running] if policy == "Replace" else []
    return [*ended, Create(JOBS, _job(cron, due))]


def _job(cron: Raw, due: datetime) -> Raw:
    template = cron["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    metadata = {
        "name": f"{cron['metadata']['name']}-{int(due.timestamp()) // 60}",
        "namespace": cron["metadata"]["namespace"],
        "labels": dict(given.get("labels") or {}),
        "annotations": {**(given.get("annotations") or {}), _SCHEDULED_AT: format_time(due)},
        "ownerReferences": [owner_reference(cron)],
    }
    return {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": metadata, "spec": template["spec"]}


def _deletion(job: Raw) -> Delete:
    return Delete(JOBS, Key.of(job), job["metadata"]["uid"])


def _status(cron: Raw, jobs: list[Raw]) -> Raw:
    old = cron.get("status") or {}
    running = [job for job in jobs if not finished(job)]
    ends = [str(end) for job in jobs if (end := (job.get("status") or {}).get("completionTime"))]
    success = max([*ends, *filter(None, [old.get("lastSuccessfulTime")])], default=None)
    status = {
        "active": [
            {
                "apiVersion": JOBS.api_version,
                "kind": JOBS.kind,
                "namespace": job["metadata"]["namespace"],
                "name": job["metadata"]["name"],
                "uid": job["metadata"]["uid"],
            }
            for job in sorted(running, key=lambda job: str(job["metadata"]["name"]))
        ],
        "lastScheduleTime": old.get("lastScheduleTime"),
        "lastSuccessfulTime": success,
    }
    return {name: value for name, value in status.items() if value}


def _tidy(cron: Raw, jobs: list[Raw]) -> list[Write]:
    """The oldest finished Jobs beyond the history limits go."""
    writes: list[Write] = []
    for kind, field, usual in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        ended = [job for job in jobs if _ended_as(job, kind)]
        ended.sort(key=lambda job: str((job.get("status") or {}).get("startTime") or ""))
        limit = cron["spec"].get(field)
        surplus = len(ended) - (usual if limit is None else int(limit))
        writes.extend(_deletion(job) for job in ended[: max(surplus, 0)])
    return writes


def _ended_as(job: Raw, kind: str) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)
