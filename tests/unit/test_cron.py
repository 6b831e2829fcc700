"""CronJobs on a cluster in memory, with a clock of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from fake_api import START, Cluster

from k8sshim.controllers.cron import CRON_JOBS
from k8sshim.controllers.job_status import index_text, indexes_of
from k8sshim.controllers.jobs import JOBS
from k8sshim.controllers.pods import format_time
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit


def cron(**spec: Any) -> Raw:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x:1"}]}
    template = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}}
    metadata = {"name": "often", "namespace": "default"}
    shape = {"schedule": "*/5 * * * *", "jobTemplate": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": shape}


def jobs_at(cluster: Cluster, moment: datetime) -> list[str]:
    cluster.api.now = moment
    cluster.restart()
    cluster.run()
    return sorted(key.name for resource, key in cluster.api.objects if resource == JOBS)


def name_of(moment: datetime) -> str:
    return f"often-{int(moment.timestamp()) // 60}"


def started(**spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.apply(CRON_JOBS, cron(**spec))
    cluster.run()
    return cluster


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def test_a_job_for_each_moment_and_one_for_those_that_were_missed() -> None:
    cluster = started()
    assert jobs_at(cluster, minutes(4)) == []
    assert jobs_at(cluster, minutes(5)) == [name_of(minutes(5))]
    assert jobs_at(cluster, minutes(16)) == [name_of(minutes(5)), name_of(minutes(15))]
    raw = cluster.api.objects[CRON_JOBS, Key("default", "often")]
    assert raw["status"]["lastScheduleTime"] == format_time(minutes(15))
    assert len(raw["status"]["active"]) == 2


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"concurrencyPolicy": "Forbid"}, [name_of(minutes(5))]),
        ({"concurrencyPolicy": "Replace"}, [name_of(minutes(10))]),
        ({"suspend": True}, []),
        ({"schedule": "0 3 * * *", "timeZone": "Asia/Tokyo"}, []),
        ({"schedule": "nonsense"}, []),
    ],
)
def test_what_a_cron_job_asks_for(spec: Raw, expected: list[str]) -> None:
    cluster = started(**spec)
    jobs_at(cluster, minutes(5.1))
    assert jobs_at(cluster, minutes(10.1)) == expected


def test_indexes_as_text() -> None:
    assert index_text({0, 1, 2, 5, 7, 8}) == "0-2,5,7-8"
    assert indexes_of("0-2,5,7-8") == {0, 1, 2, 5, 7, 8}
    assert index_text(set()) == "" and indexes_of("") == set()
