"""Jobs and CronJobs, with the controllers and pods that end as the test says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_process import ApiProcess, wait_until
from controllers_process import Controllers
from fake_agent import FakeAgent

from k8sshim.client import Client

pytestmark = pytest.mark.contract

PODS = "/api/v1/namespaces/default/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


@pytest.fixture(scope="module")
def cluster(shared_api_server: ApiProcess) -> Iterator[ApiProcess]:
    controllers = Controllers(shared_api_server)
    with FakeAgent(Client(shared_api_server.kubeconfig), 1):
        yield shared_api_server
    controllers.stop()


def job(name: str, **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x:1"}]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": pod}, **spec}}


def pods(cluster: ApiProcess, name: str, phase: str = "Running") -> list[dict[str, Any]]:
    found = cluster.ok("GET", f"{PODS}?labelSelector=job-name%3D{name}")["items"]
    return [each for each in found if each["status"]["phase"] == phase and "deletionTimestamp" not in each["metadata"]]


def end(cluster: ApiProcess, pod: dict[str, Any], phase: str) -> None:
    path = f"{PODS}/{pod['metadata']['name']}/status"
    cluster.ok("PATCH", path, {"status": {"phase": phase}}, {"Content-Type": "application/merge-patch+json"})


def status(cluster: ApiProcess, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.ok("GET", f"{JOBS}/{name}").get("status") or {}
    return found


def conditions(cluster: ApiProcess, name: str) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in status(cluster, name).get("conditions") or ()}


def test_a_job_runs_its_pods_until_enough_have_succeeded(cluster: ApiProcess) -> None:
    """https://kubernetes.io/docs/concepts/workloads/controllers/job/: "creates one or more Pods and will continue to
    retry execution of the Pods until a specified number of them successfully terminate"."""
    cluster.ok("POST", JOBS, job("three", completions=3, parallelism=2))
    wait_until(lambda: len(pods(cluster, "three")) == 2, 30)
    assert pods(cluster, "three")[0]["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    for pod in pods(cluster, "three"):
        end(cluster, pod, "Succeeded")
    wait_until(lambda: len(pods(cluster, "three")) == 1, 30)
    counted, *_ = pods(cluster, "three", "Succeeded")
    wait_until(lambda: "finalizers" not in cluster.ok("GET", f"{PODS}/{counted['metadata']['name']}")["metadata"], 30)
    cluster.ok("DELETE", f"{PODS}/{counted['metadata']['name']}")
    end(cluster, pods(cluster, "three")[0], "Succeeded")
    wait_until(lambda: conditions(cluster, "three").get("Complete") == "CompletionsReached", 30)
    assert status(cluster, "three")["succeeded"] == 3
    assert status(cluster, "three")["completionTime"]


def test_indexes_are_each_done_once(cluster: ApiProcess) -> None:
    cluster.ok("POST", JOBS, job("indexed", completions=3, parallelism=3, completionMode="Indexed"))
    wait_until(lambda: len(pods(cluster, "indexed")) == 3, 30)
    running = pods(cluster, "indexed")
    found = {each["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for each in running}
    assert found == {"0", "1", "2"}
    assert {each["spec"]["hostname"] for each in running} == {"indexed-0", "indexed-1", "indexed-2"}
    for pod in running:
        end(cluster, pod, "Succeeded")
    wait_until(lambda: "Complete" in conditions(cluster, "indexed"), 30)
    assert status(cluster, "indexed")["completedIndexes"] == "0-2"


def test_a_job_fails_at_its_limit_and_leaves_nothing_running(cluster: ApiProcess) -> None:
    cluster.ok("POST", JOBS, job("failing", backoffLimit=0, parallelism=2, completions=2))
    wait_until(lambda: len(pods(cluster, "failing")) == 2, 30)
    end(cluster, pods(cluster, "failing")[0], "Failed")
    wait_until(lambda: conditions(cluster, "failing").get("Failed") == "BackoffLimitExceeded", 30)
    wait_until(lambda: not pods(cluster, "failing"), 30)
    cluster.ok("DELETE", f"{JOBS}/failing?propagationPolicy=Background")
    wait_until(lambda: not cluster.ok("GET", f"{PODS}?labelSelector=job-name%3Dfailing")["items"], 30)


def test_a_suspended_job_begins_when_it_is_resumed(cluster: ApiProcess) -> None:
    cluster.ok("POST", JOBS, job("later", suspend=True))
    wait_until(lambda: conditions(cluster, "later") == {"Suspended": "JobSuspended"}, 30)
    assert not pods(cluster, "later")
    merge = {"Content-Type": "application/merge-patch+json"}
    cluster.ok("PATCH", f"{JOBS}/later", {"spec": {"suspend": False}}, merge)
    wait_until(lambda: len(pods(cluster, "later")) == 1, 30)
    assert conditions(cluster, "later") == {"Suspended": "JobResumed"}
