"""SCTP through Services, by real associations: where the kernel has SCTP, and Open vSwitch its datapath in the kernel.

Conntrack of Open vSwitch's userspace datapath does not know SCTP.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handmade import Handmade
from settled import in_force
from talk import ask, refused_at_once, said_often, with_servers

pytestmark = pytest.mark.netns
PORTS = {80: "SCTP"}
WEB, NOBODY, SELF, STICKY, SHARED = (f"10.96.0.{number}" for number in range(20, 25))


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sctp_through_switches: None
) -> Iterator[Handmade]:
    """`a` and `b` on node 1, `c` on node 2."""
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2).begun(request)
    for name, node, number in (("a", 1, 2), ("b", 1, 3), ("c", 2, 2)):
        handmade.pod(name, node, number, {"SCTP": 8000} if name == "b" else None)
    a, b, c = (handmade.hosts[name].address for name in ("a", "b", "c"))
    handmade.service("web", WEB, PORTS, [(b, 8080), (c, 8080)], {80: 30080})
    handmade.service("nobody", NOBODY, PORTS, [])
    handmade.service("self", SELF, PORTS, [(a, 8080)])
    handmade.service("sticky", STICKY, PORTS, [(b, 8080), (c, 8080)], sessionAffinity="ClientIP")
    handmade.service("shared", SHARED, {80: "TCP"}, [(c, 8080)])
    handmade.programmed()
    in_force(handmade)
    with with_servers(handmade, "a", "b", "c"):
        yield handmade


@pytest.mark.parametrize("client", ["a", "node1", "node2"])
def test_a_cluster_address_is_answered_by_all_endpoints(lab: Handmade, client: str) -> None:
    host = lab.hosts[client]
    assert set(said_often(host, "SCTP", WEB, 80, 24)) == {f"{server} {host.address}" for server in ("b", "c")}


def test_a_node_port_is_answered_and_the_client_seen_as_the_node(lab: Handmade) -> None:
    node = lab.hosts["node2"].address
    found = set(said_often(lab.hosts["a"], "SCTP", node, 30080, 24))
    assert found == {f"b {node}", f"c {node}"}


def test_a_client_reaches_itself_and_pods_and_host_ports(lab: Handmade) -> None:
    a, c = lab.hosts["a"], lab.hosts["c"]
    assert ask(a, "SCTP", SELF, 80) == ("a", "10.244.1.1")
    assert ask(a, "SCTP", c.address, 8080) == ("c", a.address)
    assert ask(c, "SCTP", lab.hosts["node1"].address, 8000) == ("b", c.address)


def test_a_client_stays_with_its_endpoint(lab: Handmade) -> None:
    assert len(set(said_often(lab.hosts["a"], "SCTP", STICKY, 80, 8))) == 1


def test_without_endpoints_and_on_other_protocols_it_is_refused(lab: Handmade) -> None:
    assert refused_at_once(lab.hosts["a"], "SCTP", NOBODY, 80)
    assert refused_at_once(lab.hosts["a"], "SCTP", SHARED, 80)
    assert refused_at_once(lab.hosts["a"], "TCP", WEB, 80)
