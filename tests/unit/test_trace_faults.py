"""`podwire trace` where links are down, silent, or nodes kept apart."""

from __future__ import annotations

import pytest
from network_model import cluster_of, node

from controller.desired import Desired
from controller.marks import FAULT_COOKIE
from controller.tables import CLASSIFIER, FABRIC_ROUTING
from k8sshim.cluster import Cluster, Link
from k8sshim.objects import Key
from lab.tracing import port_states
from lab.tracing.network import Network
from lab.tracing.story import DROPPED, tell
from lab.tracing.tracer import links_down
from lab.tracing.transcript import Visit, visits

pytestmark = pytest.mark.unit
CLUSTER = cluster_of(2, leaves=2)
VIEWS = [("Cluster", Key("", "lab"), CLUSTER), *(("Node", Key("", f"node{i}"), node(i)) for i in (1, 2))]
SILENT = """Flow: tcp,in_port=1

bridge("leaf2")
---------------
 0. ip,nw_dst=10.244.2.0/24, priority 100, cookie 0x1
    output:3
     >> OFPPC_NO_FWD set, skipping output

Final flow: unchanged
"""
PORTS = """switch leaf1
OFPST_PORT_DESC reply (OF1.4) (xid=0x2):
 1(leaf1-spine1): addr:0a:00:00:00:00:01
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
 2(leaf1-spine2): addr:0a:00:00:00:00:02
     config:     0
     state:      LINK_DOWN
 101(leaf1-b1): addr:0a:00:00:00:00:03
     config:     NO_FWD
     state:      LIVE
 LOCAL(leaf1): addr:0a:00:00:00:00:04
     config:     PORT_DOWN
     state:      LINK_DOWN
switch spine1
 1(spine1-leaf1): addr:0a:00:00:00:00:05
     config:     PORT_DOWN
     state:      LIVE
"""


def between(cluster: Cluster, a: str, b: str) -> Link:
    return next(link for link in cluster.links if {link.a.switch, link.b.switch} == {a, b})


def test_a_silent_port_is_told_as_such() -> None:
    (visit,) = visits(SILENT, "leaf2")
    assert (visit.output, visit.muted) == (None, 3)


def test_ports_are_alive_as_their_switch_says() -> None:
    assert port_states.parse(PORTS) == {"leaf1": {1: True, 2: False, 101: True}, "spine1": {1: False}}


def test_links_are_down_that_have_a_dead_port() -> None:
    live = {switch.name: {end.port: True for link in CLUSTER.links for end in (link.a, link.b)
                          if end.switch == switch.name} for switch in CLUSTER.switches}  # fmt: skip
    assert links_down(CLUSTER, live) == frozenset()
    cut = between(CLUSTER, "leaf1", "spine1")
    live["spine1"][cut.b.port] = False
    assert links_down(CLUSTER, live) == {cut}


def test_a_route_that_leads_round_a_link_is_explained_by_its_flow() -> None:
    cut = between(CLUSTER, "leaf1", "spine1")
    desired = Desired()
    for kind, key, view in VIEWS:
        desired.put(kind, key, view)
    desired.lose(frozenset({cut}))
    leaf = next(switch for switch in CLUSTER.switches if switch.name == "leaf1")
    (flow,) = (
        flow
        for flow in desired.wanted(leaf.dpid).flows.values()
        if flow.table is FABRIC_ROUTING and dict(flow.match).get("ipv4_dst") == "10.244.2.0/24"
    )
    network = Network(VIEWS)
    network.links_down = lambda: frozenset({cut})
    rule = network.rule("leaf1", *flow.id)
    assert rule is not None and rule.flow == flow


def test_a_partition_is_known_by_its_cookie() -> None:
    rule = Network(VIEWS).rule("b1", CLASSIFIER.number, FAULT_COOKIE)
    assert rule is not None and (rule.feature, rule.flow) == ("fault", None)


def test_the_story_names_the_link() -> None:
    from lab.tracing.packet import packet  # noqa: PLC0415

    network = Network(VIEWS)
    sent = packet(network, "node1", "node2", protocol="ICMP")
    leaf = network.switch("leaf2")
    up = between(CLUSTER, "b2", leaf.name)
    port = up.b.port if up.b.switch == leaf.name else up.a.port
    story = tell(network, sent, [Visit(leaf.name, FABRIC_ROUTING.number, 0, "", {}, muted=port)])
    assert (story.outcome, story.verdict) == (DROPPED, "dropped by leaf2: its link to b2 (node node2) is silent")
