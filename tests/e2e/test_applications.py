"""Applications that others wrote come up from unmodified manifests, and their clients reach their Services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from laboratory import MANIFESTS, Laboratory, RunningLab

pytestmark = pytest.mark.e2e

APPLICATIONS = {  # folder -> pods, Services that every pod reaches by ClusterIP
    "guestbook": (6, {"default/redis-master", "default/redis-replica", "default/frontend"}),
    "guestbook-legacy": (6, {"default/redis-master", "default/redis-replica", "default/guestbook"}),
    "cassandra": (3, set()),  # headless: reached by names
    "online-boutique": (12, {"default/frontend", "default/redis-cart", "default/cartservice"}),
}


@pytest.fixture(scope="module", params=APPLICATIONS)
def application(request: pytest.FixtureRequest, laboratory: Laboratory) -> tuple[str, RunningLab]:
    name: str = request.param
    return name, laboratory.up(name, manifests=_manifests(name))


def test_all_its_pods_are_ready_and_spread_over_the_nodes(application: tuple[str, RunningLab]) -> None:
    name, lab = application
    pods = lab.pods()
    ready = {pod["metadata"]["name"] for pod in pods if all(one["ready"] for one in pod["status"]["containerStatuses"])}
    assert len(ready) == len(pods) == APPLICATIONS[name][0]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2", "node3"}
    assert len({pod["status"]["podIP"] for pod in pods}) == len(pods)


def test_its_services_are_reached_from_every_pod(application: tuple[str, RunningLab]) -> None:
    name, lab = application
    pods, services = APPLICATIONS[name]
    cells = lab.matrix("--to", "service") if services else []
    reached = {cell["to"] for cell in cells if cell["allowed"]}
    assert services <= reached
    assert sum(cell["allowed"] and cell["to"] in services for cell in cells) == pods * len(services)


def test_the_peers_of_a_headless_service_find_each_other_by_name(laboratory: Laboratory) -> None:
    lab = laboratory.up("cassandra", manifests=_manifests("cassandra"))
    pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in lab.pods()}
    for name, address in pods.items():
        found = lab.exec("cassandra-0", "getent", "ahostsv4", f"{name}.cassandra").stdout.split()
        assert found[:1] == [address], name
    everybody = lab.exec("cassandra-0", "getent", "ahostsv4", "cassandra").stdout.split()
    assert set(pods.values()) <= set(everybody)


def test_online_boutique_reaches_every_service_address_in_its_environment(laboratory: Laboratory) -> None:
    lab = laboratory.up("online-boutique", manifests=_manifests("online-boutique"))
    services = {one["metadata"]["name"] for one in json.loads(lab.kubectl("get", "services", "-o", "json"))["items"]}
    asked = [
        (pod["metadata"]["name"], address)
        for pod in lab.pods()
        for address in addresses_in_environment(pod)
        if address.partition(":")[0] in services  # its shopping assistant is a part of its own, and not deployed
    ]
    assert len(asked) >= 14
    for pod, address in asked:
        url = f"http://{address}/"
        done = lab.exec(pod, "curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        assert done.stdout == "200", f"{pod} to {address}: {done.stderr}"


def test_online_boutiques_load_generator_has_found_the_frontend_by_itself(laboratory: Laboratory) -> None:
    """Its init container asks for the frontend by name until it answers, and only then the load generator starts."""
    lab = laboratory.up("online-boutique", manifests=_manifests("online-boutique"))
    (pod,) = lab.pods("app=loadgenerator")
    (init,) = pod["status"]["initContainerStatuses"]
    assert init["state"]["terminated"]["exitCode"] == 0
    (main,) = pod["status"]["containerStatuses"]
    assert main["ready"]


def addresses_in_environment(pod: dict[str, Any]) -> list[str]:
    """What a pod's variables say that it talks to."""
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return [
        variable["value"]
        for container in containers
        for variable in container.get("env", [])
        if variable["name"].endswith("_ADDR")
    ]


def _manifests(name: str) -> list[Any]:
    if not (MANIFESTS / name).is_dir():
        pytest.skip(f"the manifests of {name} are not beside the checkout")
    return [MANIFESTS / name]
