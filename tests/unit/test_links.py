"""Links of a plan: what they are like, when they are patch ports, and what Mininet is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from topo import spec
from topo.link_spec import LinkSpec
from topo.plan import Plan, plan
from topo.shaping import ShapedEnd, parameters

pytestmark = pytest.mark.unit


def planned(**body: Any) -> Plan:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return plan(spec.parse(raw))


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        ({}, True),
        ({"links": {"kind": "veth"}}, False),
        ({"links": {"kind": "patch"}, "expectedPods": 1000}, True),
        ({"links": {"delayMs": 1}}, False),
        ({"links": {"mtu": 1400}}, True),
        ({"links": {"mtu": 1400}, "mtu": 1500}, False),
        ({"network": {"podMtu": 9000}}, False),
    ],
    ids=str,
)
def test_a_link_is_a_patch_port_where_nothing_is_asked_of_it(body: dict[str, Any], patch: bool) -> None:
    lab = planned(**body)
    assert {lab.is_patch(link) for link in lab.links} == {patch}


def test_an_overlay_carries_what_its_thinnest_link_does() -> None:
    nodes = [{"name": "one"}, {"name": "two", "uplinks": [{"switch": "s1", "mtu": 1400}]}]
    lab = planned(nodes=nodes, network={"mode": "vxlan"})
    assert lab.overlay is not None
    assert (lab.overlay.mtu, lab.spec.pod_mtu) == (1350, 1450)


def test_offload_is_off_where_a_link_has_a_bandwidth_unless_told_otherwise() -> None:
    assert not planned(links={"bandwidthMbit": 10}).spec.offload
    assert planned(links={"bandwidthMbit": 10}, offload="on").spec.offload
    assert planned(links={"delayMs": 10}).spec.offload


def test_mininet_is_told_what_a_link_is_like() -> None:
    like = LinkSpec(bandwidth_mbit=10, delay_ms=2.5, jitter_ms=0.5, loss_percent=1, queue_packets=20)
    told = {"bw": 10, "delay": "2.5ms", "jitter": "0.5ms", "loss": 1, "max_queue_size": 20}
    assert parameters(like) == told


@pytest.mark.parametrize(("bandwidth", "burst"), [(1, 15_000), (100, 125_000)])
def test_a_burst_is_ten_milliseconds_of_the_rate_and_no_less_than_mininets(bandwidth: float, burst: int) -> None:
    end = ShapedEnd.__new__(ShapedEnd)  # no interface need be there for its commands
    commands, _ = end.bwCmds(bw=bandwidth)
    assert f"burst {burst} cburst {burst}" in commands[-1]
