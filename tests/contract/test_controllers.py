"""The controllers' process against the real API server, with an agent that has no network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import yaml
from api_process import ROOT, ApiProcess, wait_until
from controllers_process import Controllers
from fake_agent import FakeAgent, node

from k8sshim.client import (
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    Client,
    Resource,
    resource_for,
)
from k8sshim.objects import POD_NETWORK_ANNOTATION, EndpointSlice, Key, PodNetwork, Raw

pytestmark = pytest.mark.contract
WEB = Key("default", "web")
MANIFESTS = ROOT.parent / "shared" / "manifests"


class Lab:
    """API server, controllers, and agent."""

    def __init__(self, server: ApiProcess) -> None:
        self.server = server
        self.client = Client(server.kubeconfig)
        self.held_back: Callable[[str], bool] = lambda name: False
        self.agent = FakeAgent(self.client, 3, lambda name: self.held_back(name))  # noqa: PLW0108 - tests change it
        self.controllers = Controllers(server)

    def pods(self) -> list[Raw]:
        return sorted(self.client.list(PODS, "default")[0], key=lambda pod: str(pod["metadata"]["name"]))

    def names(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.pods()]

    def status(self, resource: Resource, field: str) -> object:
        raw = self.client.get(resource, WEB) or {}
        return (raw.get("status") or {}).get(field)

    def scale(self, resource: Resource, replicas: int) -> None:
        self.client.patch(resource, WEB, {"spec": {"replicas": replicas}})

    def ready(self) -> set[str]:
        """The pods that the Service's slices call ready."""
        views = map(EndpointSlice.parse, self.client.list(ENDPOINT_SLICES, "default")[0])
        return {each.target.name for view in views for each in view.endpoints if each.ready and each.target}


@pytest.fixture
def lab(api_server: ApiProcess) -> Iterator[Lab]:
    lab = Lab(api_server)
    try:
        with lab.agent:
            yield lab
        assert lab.controllers.stop() == 0
        assert "Traceback" not in lab.controllers.log.read_text()
    finally:
        lab.controllers.kill()


def workload(resource: Resource, replicas: int | None = None, image: str = "nginx", **spec: object) -> Raw:
    container = {"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 80}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    size = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **size, **spec},
    }


SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


def test_a_deployment_rolls_out_scales_and_goes(lab: Lab) -> None:
    lab.client.create(DEPLOYMENTS, workload(DEPLOYMENTS, 6))
    wait_until(lambda: lab.status(DEPLOYMENTS, "availableReplicas") == 6)
    networks = [PodNetwork.claimed(pod["metadata"]["annotations"][POD_NETWORK_ANNOTATION]) for pod in lab.pods()]
    assert len({network.addresses for network in networks if network}) == 6
    nodes = [pod["spec"]["nodeName"] for pod in lab.pods()]
    assert sorted(nodes) == ["n1", "n1", "n2", "n2", "n3", "n3"]

    template = workload(DEPLOYMENTS, image="nginx:2")["spec"]["template"]
    lab.client.patch(DEPLOYMENTS, WEB, {"spec": {"template": template}})
    wait_until(lambda: {p["spec"]["containers"][0]["image"] for p in lab.pods()} == {"nginx:2"})
    wait_until(lambda: lab.status(DEPLOYMENTS, "updatedReplicas") == lab.status(DEPLOYMENTS, "replicas") == 6)
    revision = (lab.client.get(DEPLOYMENTS, WEB) or {})["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert revision == "2"
    for size in (9, 2):
        lab.scale(DEPLOYMENTS, size)
        wait_until(lambda size=size: len(lab.pods()) == size == lab.status(DEPLOYMENTS, "availableReplicas"))  # type: ignore[misc]
    lab.client.delete(DEPLOYMENTS, WEB)
    wait_until(lambda: not lab.pods() and not lab.client.list(REPLICA_SETS, "default")[0])


def test_a_stateful_set_comes_up_in_order_and_goes_from_the_top(lab: Lab) -> None:
    lab.held_back = lambda name: name == "web-1"
    lab.client.create(STATEFUL_SETS, workload(STATEFUL_SETS, 3, serviceName="web"))
    wait_until(lambda: lab.names() == ["web-0", "web-1"] and lab.pods()[1]["status"]["phase"] == "Running")
    held = lab.pods()[1]
    lab.client.update_status(
        PODS, {**held, "status": {**held["status"], "conditions": [{"type": "Ready", "status": "True"}]}}
    )
    wait_until(lambda: lab.status(STATEFUL_SETS, "readyReplicas") == 3)
    created = [int(pod["metadata"]["resourceVersion"]) for pod in lab.pods()]
    assert lab.names() == ["web-0", "web-1", "web-2"] and all(a < b for a, b in pairwise(created))
    lab.scale(STATEFUL_SETS, 1)
    wait_until(lambda: lab.names() == ["web-0"])


def test_endpoint_slices_follow_readiness(lab: Lab) -> None:
    lab.client.create(SERVICES, SERVICE)
    lab.client.create(DEPLOYMENTS, workload(DEPLOYMENTS, 3))
    wait_until(lambda: len(lab.ready()) == 3)
    first = lab.pods()[0]
    lab.client.update_status(PODS, {**first, "status": {**first["status"], "conditions": []}})
    wait_until(lambda: lab.ready() == set(lab.names()) - {first["metadata"]["name"]})
    wait_until(
        lambda: len(((lab.client.get(ENDPOINTS, WEB) or {}).get("subsets") or [{}])[0].get("addresses") or ()) == 2
    )
    lab.client.delete(SERVICES, Key("default", "web"))
    wait_until(lambda: not lab.client.list(ENDPOINT_SLICES, "default")[0])


def test_a_daemon_set_follows_the_nodes(lab: Lab) -> None:
    lab.client.create(DAEMON_SETS, workload(DAEMON_SETS))
    wait_until(lambda: lab.status(DAEMON_SETS, "numberReady") == 3)
    lab.client.create(NODES, node(4))
    wait_until(lambda: lab.status(DAEMON_SETS, "numberReady") == 4)
    assert sorted(pod["spec"]["nodeName"] for pod in lab.pods()) == ["n1", "n2", "n3", "n4"]


def test_killed_in_the_middle_and_begun_anew_it_doubles_nothing(lab: Lab) -> None:
    lab.client.create(SERVICES, SERVICE)
    lab.client.create(DEPLOYMENTS, workload(DEPLOYMENTS, 40))
    for reached in (5, 20, 35):
        wait_until(lambda reached=reached: len(lab.pods()) >= reached)  # type: ignore[misc]
        lab.controllers.kill()
        lab.controllers.start()
    wait_until(lambda: lab.status(DEPLOYMENTS, "availableReplicas") == 40)
    wait_until(lambda: len(lab.ready()) == 40)
    assert len(lab.pods()) == 40
    networks = [PodNetwork.claimed(pod["metadata"]["annotations"][POD_NETWORK_ANNOTATION]) for pod in lab.pods()]
    assert len({network.addresses for network in networks if network}) == 40
    assert len(lab.client.list(REPLICA_SETS, "default")[0]) == 1


def test_a_restart_of_the_api_server_is_survived(lab: Lab) -> None:
    lab.client.create(DEPLOYMENTS, workload(DEPLOYMENTS, 10))
    wait_until(lambda: len(lab.pods()) >= 3)
    lab.server.restart()
    wait_until(lambda: lab.status(DEPLOYMENTS, "availableReplicas") == 10, 20)
    assert len(lab.pods()) == 10


def test_a_pod_that_fits_nowhere_says_why_until_it_fits(lab: Lab) -> None:
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}}
    spec = {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "main", "image": "nginx"}]}
    lab.client.create(PODS, {**raw, "spec": spec})

    def message() -> str:
        conditions = ((lab.client.get(PODS, WEB) or {}).get("status") or {}).get("conditions") or ()
        return next((each["message"] for each in conditions if each.get("reason") == "Unschedulable"), "")

    wait_until(lambda: message() == "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.")
    lab.client.patch(NODES, Key("", "n2"), {"metadata": {"labels": {"disk": "ssd"}}})
    wait_until(lambda: lab.pods()[0]["spec"].get("nodeName") == "n2")


@pytest.mark.parametrize(
    ("folder", "pods"),
    [("guestbook", 6), ("guestbook-legacy", 6), ("cassandra", 3), ("online-boutique", 12)],
)
@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="others' manifests are not beside the checkout")
def test_applications_that_others_wrote_come_up(lab: Lab, folder: str, pods: int) -> None:
    documents = [raw for file in (MANIFESTS / folder).iterdir() for raw in yaml.safe_load_all(file.read_text()) if raw]
    for raw in documents:
        if raw["kind"] in ("Service", "Deployment", "ReplicationController", "StatefulSet"):
            raw["metadata"]["namespace"] = "default"
            lab.client.create(resource_for(raw["apiVersion"], raw["kind"]), raw)
    wait_until(lambda: len([pod for pod in lab.pods() if pod["status"]["phase"] == "Running"]) == pods, 20)
    services = [raw for raw in documents if raw["kind"] == "Service"]
    with_endpoints = {raw["metadata"]["name"] for raw in services if raw["spec"].get("selector")}

    def served() -> set[str]:
        views = map(EndpointSlice.parse, lab.client.list(ENDPOINT_SLICES, "default")[0])
        return {view.service.name for view in views if view.service and any(each.ready for each in view.endpoints)}

    wait_until(lambda: served() == with_endpoints)


def test_bad_use_is_one_line(api_server: ApiProcess) -> None:
    argv = [sys.executable, "-m", "k8sshim.controllers", "--kubeconfig", str(api_server.folder / "absent")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "absent" in done.stderr
