"""`podwire matrix`: every pair, with real packets."""

from __future__ import annotations

from itertools import permutations

import pytest
from laboratory import MANIFESTS, Laboratory, RunningLab, deployment

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def guestbook(laboratory: Laboratory) -> RunningLab:
    folder = MANIFESTS / "guestbook"
    if not folder.is_dir():
        pytest.skip("the manifests of guestbook are not beside the checkout")
    return laboratory.up("guestbook", manifests=[folder])


def test_every_pod_of_guestbook_reaches_every_other(guestbook: RunningLab) -> None:
    cells = guestbook.matrix()
    pods = [f"default/{pod['metadata']['name']}" for pod in guestbook.pods()]
    assert len(pods) == 6
    assert {(cell["from"], cell["to"]) for cell in cells} == set(permutations(pods, 2))
    assert [cell for cell in cells if not cell["allowed"]] == []


def test_every_pod_of_guestbook_reaches_every_service(guestbook: RunningLab) -> None:
    cells = guestbook.matrix("--to", "service")
    services = {(cell["to"], cell["port"], cell["protocol"]) for cell in cells}
    redis = {("default/redis-master", 6379, "TCP"), ("default/redis-replica", 6379, "TCP")}
    assert services >= {("default/frontend", 80, "TCP"), *redis}
    assert [cell for cell in cells if not cell["allowed"] and cell["to"] != "default/kubernetes"] == []


def test_a_port_that_nobody_listens_on_is_not_allowed_and_no_failure(guestbook: RunningLab) -> None:
    for protocol in ("TCP", "UDP"):
        cells = guestbook.matrix("--port", "9", "--protocol", protocol)
        assert len(cells) == 30
        assert not any(cell["allowed"] for cell in cells)
        assert {(cell["port"], cell["protocol"]) for cell in cells} == {(9, protocol)}


def test_datagrams_are_answered_by_stand_ins(lab: RunningLab) -> None:
    lab.apply(deployment("resolver", 3, (53, "UDP"), (53, "TCP")))
    cells = [cell for cell in lab.matrix() if "/resolver-" in cell["from"] and "/resolver-" in cell["to"]]
    assert len(cells) == 3 * 2 * 2
    assert {(cell["protocol"], cell["allowed"]) for cell in cells} == {("TCP", True), ("UDP", True)}


def test_the_table_counts_what_is_not_allowed(guestbook: RunningLab) -> None:
    done = guestbook.podwire("matrix", "guestbook", "--port", "9")
    assert done.returncode == 0
    assert done.stderr == "30 of 30 not allowed\n"
    assert done.stdout.count("✗") == 30


def test_an_unknown_namespace_is_one_line(guestbook: RunningLab) -> None:
    done = guestbook.podwire("matrix", "guestbook", "--namespace", "nowhere")
    line = 'podwire: no pods in namespace "nowhere" of lab "guestbook"; namespaces with pods: default\n'
    assert (done.returncode, done.stderr) == (2, line)
