"""What fields of a Service ask of its pods, from the API to real packets: closeness, pods not ready, pods that end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cluster import Namespace, Raw, eventually, pod, service

pytestmark = pytest.mark.e2e
SERVE, APP = ("serve", 9376, "TCP"), {"app": "serve"}
PORT = {"port": 80, "targetPort": 9376}
ZONE = "topology.kubernetes.io/zone"
REFUSED = 7  # curl's exit code


def server(name: str, *, container: Raw | None = None, **spec: object) -> Raw:
    """A pod behind the selector `APP`, with more fields of its container."""
    raw = pod(name, SERVE, labels=APP, **spec)
    raw["spec"]["containers"][0].update(container or {})
    return raw


def address_of(ns: Namespace, name: str) -> str:
    address: str = ns.get("service", name)["spec"]["clusterIP"]
    return address


def answering(ns: Namespace, address: str, place: str, times: int = 10) -> set[str]:
    """Who answers a few connections from that place."""
    return set(ns.ask_often(place, f"{address}/hostname", times))


@pytest.fixture
def zones(ns: Namespace) -> Iterator[None]:
    """node1 in one zone, node2 and node3 in another."""
    ns.kubectl("label", "node", "node1", f"{ZONE}=west")
    ns.kubectl("label", "node", "node2", "node3", f"{ZONE}=east")
    yield
    ns.kubectl("label", "nodes", "--all", f"{ZONE}-")


@pytest.mark.usefixtures("zones")
def test_a_service_that_prefers_what_is_close_is_answered_in_the_clients_zone(ns: Namespace) -> None:
    names = [f"on-node{number}" for number in (1, 2, 3)]
    ns.create(service("close", APP, PORT, trafficDistribution="PreferClose"))
    ns.create(*(server(name, nodeName=name.removeprefix("on-")) for name in names))
    ns.ready(*names)
    address = address_of(ns, "close")
    eventually(lambda: answering(ns, address, "node1"), {"on-node1"})
    eventually(lambda: answering(ns, address, "node2"), {"on-node2", "on-node3"})
    ns.kubectl("label", "node", "node3", f"{ZONE}-")  # an endpoint without a zone: hints hold no more
    eventually(lambda: answering(ns, address, "node1"), set(names))


def test_a_pod_that_is_not_ready_answers_where_its_service_publishes_it(ns: Namespace) -> None:
    late = {"readinessProbe": {"tcpSocket": {"port": 9376}, "initialDelaySeconds": 600}}
    ns.create(service("published", APP, PORT, publishNotReadyAddresses=True), service("plain", APP, PORT))
    ns.create(server("early", container=late))
    address = address_of(ns, "published")
    eventually(lambda: answering(ns, address, "execpod", 1), {"early"})
    url = f"http://{address_of(ns, 'plain')}"
    assert ns.run("execpod", "curl", "-s", "--max-time", "20", url).returncode == REFUSED


def test_a_pod_that_ends_answers_new_connections_while_there_is_no_other(ns: Namespace) -> None:
    goodbye = {"lifecycle": {"preStop": {"sleep": {"seconds": 100}}}}
    ns.create(service("lasting", APP, PORT), server("last", container=goodbye, terminationGracePeriodSeconds=120))
    ns.ready("last")
    ns.kubectl("delete", "pod", "last", "--wait=false")
    eventually(lambda: conditions(ns, "lasting"), [{"ready": False, "serving": True, "terminating": True}])
    address = address_of(ns, "lasting")
    eventually(lambda: answering(ns, address, "execpod", 3), {"last"})
    ns.create(server("next"))
    ns.ready("next")
    eventually(lambda: answering(ns, address, "execpod", 6), {"next"})
    ns.kubectl("delete", "pod", "last", "--grace-period=0", "--force")


def conditions(ns: Namespace, name: str) -> list[dict[str, bool]]:
    slices = json.loads(ns.kubectl("get", "endpointslices", "-l", f"kubernetes.io/service-name={name}", "-o", "json"))[
        "items"
    ]
    return [endpoint["conditions"] for each in slices for endpoint in each.get("endpoints") or []]
