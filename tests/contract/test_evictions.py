"""Evictions, budgets and `kubectl drain`, with the controllers and an agent that says what it is told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_process import ApiProcess, wait_until
from controllers_process import Controllers
from fake_agent import FakeAgent
from kubectl_process import Kubectl
from test_api_kubectl import deployment

from k8sshim.client import Client

pytestmark = pytest.mark.contract

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


@pytest.fixture(scope="module")
def cluster(shared_api_server: ApiProcess) -> Iterator[ApiProcess]:
    controllers = Controllers(shared_api_server)
    with FakeAgent(Client(shared_api_server.kubeconfig), 2):
        shared_api_server.ok("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("web", replicas=2))
        budget = {
            "metadata": {"name": "web"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        }
        shared_api_server.ok("POST", BUDGETS, budget)
        yield shared_api_server
    controllers.stop()


def budget(cluster: ApiProcess) -> dict[str, Any]:
    status: dict[str, Any] = cluster.ok("GET", f"{BUDGETS}/web").get("status") or {}
    return status


def pods(cluster: ApiProcess) -> list[str]:
    return [each["metadata"]["name"] for each in cluster.ok("GET", PODS)["items"]]


def test_a_budget_allows_as_many_evictions_as_its_pods_can_bear(cluster: ApiProcess) -> None:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/#how-api-initiated-eviction-works: "429 Too
    Many Requests: the eviction is not currently allowed because of the configured PodDisruptionBudget"."""
    wait_until(lambda: budget(cluster).get("disruptionsAllowed") == 1, 30)
    assert {name: budget(cluster)[name] for name in ("currentHealthy", "desiredHealthy", "expectedPods")} == {
        "currentHealthy": 2,
        "desiredHealthy": 1,
        "expectedPods": 2,
    }
    first, second = pods(cluster)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first, "namespace": "default"}}
    cluster.ok("POST", f"{PODS}/{first}/eviction?dryRun=All", body)
    stored = cluster.ok("GET", f"{BUDGETS}/web")
    cluster.ok("PUT", f"{BUDGETS}/web", stored | {"spec": stored["spec"] | {"maxUnavailable": 0}})
    wait_until(lambda: budget(cluster)["disruptionsAllowed"] == 0, 30)
    code, status = cluster.request("POST", f"{PODS}/{second}/eviction", body | {"metadata": {"name": second}})
    assert (code, status["reason"]) == (429, "TooManyRequests")
    assert status["details"]["causes"][0]["message"] == (
        "The disruption budget web needs 2 healthy pods and has 2 currently"
    )
    assert pods(cluster) == [first, second]
    stored = cluster.ok("GET", f"{BUDGETS}/web")
    cluster.ok("PUT", f"{BUDGETS}/web", stored | {"spec": stored["spec"] | {"maxUnavailable": 1}})
    wait_until(lambda: budget(cluster)["disruptionsAllowed"] == 1, 30)
    cluster.ok("POST", f"{PODS}/{first}/eviction", body)
    wait_until(lambda: first not in pods(cluster) and len(pods(cluster)) == 2, 30)
    assert cluster.request("POST", f"{PODS}/{first}/eviction", body)[0] == 404


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_drain_empties_a_node_as_the_budget_allows(cluster: ApiProcess, tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", cluster, tmp_path)
    said = kubectl("drain", "n1", "--timeout=50s")
    assert "node/n1 cordoned" in said and "node/n1 drained" in said
    nodes = {
        each["spec"]["nodeName"]
        for each in cluster.ok("GET", f"{PODS}?labelSelector=app%3Dweb")["items"]
        if each["spec"].get("nodeName")
    }
    assert nodes == {"n2"}
    kubectl("uncordon", "n1")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_events_tell_what_happened(cluster: ApiProcess, tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", cluster, tmp_path)
    wait_until(lambda: "ScalingReplicaSet" in kubectl("get", "events"), 30)
    assert "Scaled up replica set" in kubectl("describe", "deployment", "web")
    assert "Successfully assigned default/web" in kubectl("events", "--types=Normal")
