"""Applications that others wrote come up from unmodified manifests, and their clients reach their Services."""

from __future__ import annotations

import pytest
from laboratory import MANIFESTS, Laboratory, RunningLab

pytestmark = pytest.mark.e2e

APPLICATIONS = {  # folder -> pods, Services that every pod reaches by ClusterIP
    "guestbook": (6, {"default/redis-master", "default/redis-replica", "default/frontend"}),
    "guestbook-legacy": (6, {"default/redis-master", "default/redis-replica", "default/guestbook"}),
    "cassandra": (3, set()),  # headless: waits for the Services issue and its DNS
}


@pytest.fixture(scope="module", params=APPLICATIONS)
def application(request: pytest.FixtureRequest, laboratory: Laboratory) -> tuple[str, RunningLab]:
    name: str = request.param
    if not (MANIFESTS / name).is_dir():
        pytest.skip(f"the manifests of {name} are not beside the checkout")
    return name, laboratory.up(name, manifests=[MANIFESTS / name])


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
