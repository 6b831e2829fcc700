"""Faults as values: how they are read, what they come to in a lab's parts, and what is undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fabrics import planned

from k8sshim.errors import BadInput
from lab.faults.effects import (
    Apart,
    Dark,
    Effect,
    Mute,
    NodeDead,
    Shaped,
    Stopped,
    Unpatched,
    Unplugged,
    changes,
    effects,
    links_named,
)
from lab.faults.injecting import standing_after
from lab.faults.kinds import HEAL, KINDS, Fault, lasting, parse
from lab.faults.targets import look_up
from lab.state import Lab
from topo.plan import Plan

pytestmark = pytest.mark.unit
LEAF_SPINE = {"shape": "leaf-spine", "leaves": 2, "spines": 2}
LAB = Lab("lab", Path("/nowhere"), 0, "", (), "running")


def veths() -> Plan:
    """Three nodes, each bridge with an Open vSwitch of its own."""
    return of(bridgePlacement="per-node", links={"kind": "veth"})


def of(**spec: Any) -> Plan:
    from topo import spec as cluster_spec  # noqa: PLC0415
    from topo.plan import plan  # noqa: PLC0415

    body = {"nodes": 3, "fabric": LEAF_SPINE, **spec}
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return plan(cluster_spec.parse(raw))


def named(*found: Effect) -> set[str]:
    return {type(one).__name__ for one in found}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explode", ["a"]), f"kind: 'explode' is no fault; there are {', '.join(KINDS)}"),
        (("link-down", []), "targets: link-down needs a link to act on"),
        (("link-down", ["leaf1"]), "targets: 'leaf1' is no link: a link is A:B by the names of its ends"),
        (("link-down", ["a:b", "a:b"]), "targets: 'a:b' is named twice"),
        (("partition", ["node1"]), "targets: a partition is between two groups or more: n1,n2 n3"),
        (("partition", ["node1,node2", "node2"]), "targets: 'node2' is in two groups"),
        (("link-loss", ["a:b"]), "percent: link-loss needs --percent"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments: tuple[str, list[str]], message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("percent", [0, -1, 101, True, "5", float("nan")])
def test_a_loss_that_cannot_be(percent: Any) -> None:
    with pytest.raises(BadInput, match=r"steps\[0\].percent: must be more than 0 and at most 100"):
        parse("link-loss", ["a:b"], percent=percent, field="steps[0]")


@pytest.mark.parametrize(
    ("kind", "targets", "message"),
    [
        ("link-down", "leaf1:spine9", 'no link "leaf1:spine9" in lab "lab": there is no node or switch "spine9"'),
        ("link-down", "leaf1:leaf2", 'no link "leaf1:leaf2" in lab "lab": leaf1 is linked with '),
        ("switch-kill", "spine3", 'no switch "spine3" in lab "lab"; there are leaf1, leaf2, spine1, spine2, border'),
        ("switch-kill", "node1", '"node1" is a node, not a switch of the fabric: use node-kill'),
        ("node-kill", "node9", 'no node "node9" in lab "lab"; there are node1, node2, node3'),
        ("partition", "node1 node9", 'no node "node9" in lab "lab"; there are node1, node2, node3'),
        (
            "component-kill",
            "kubelet",
            'no component "kubelet" in lab "lab"; there are api-server, controllers, openflow',
        ),
        (HEAL, "moon", 'no node, switch or component "moon" in lab "lab"; there are node1'),
    ],
)
def test_a_fault_on_what_does_not_exist_names_it(kind: str, targets: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        look_up(LAB, veths(), parse(kind, targets.split()))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_link_is_known_by_either_way_round_and_by_its_node() -> None:
    for written in ("node1:leaf1", "leaf1:node1", "b1:leaf1"):
        assert look_up(LAB, veths(), parse("link-down", [written])).targets == ("node1:leaf1",)


def test_loss_and_delay_need_a_veth() -> None:
    with pytest.raises(BadInput, match=r"bring the lab up with links\.kind: veth"):
        look_up(LAB, of(), parse("link-delay", ["leaf1:spine1"], delay_ms=5))
    shaped = of(links={"kind": "veth", "bandwidthMbit": 10})
    with pytest.raises(BadInput, match="link leaf1:spine1 is shaped by the cluster"):
        look_up(LAB, shaped, parse("link-loss", ["leaf1:spine1"], percent=5))
    assert look_up(LAB, veths(), parse("link-delay", ["leaf1:spine1"], delay_ms=5)).delay_ms == 5


def test_what_each_fault_comes_to() -> None:
    lab = veths()
    (node,) = (one for one in lab.nodes if one.name == "node2")

    def alone(kind: str, *targets: str, **amount: float) -> frozenset[Effect]:
        return effects(lab, [Fault(kind, targets, **amount)])

    link = links_named(lab)["leaf1:spine1"]
    ends = {end.interface for end in (link.a, link.b)}
    assert {one.interface for one in alone("link-down", "leaf1:spine1") if isinstance(one, Unplugged)} == ends
    assert {one.interface for one in alone("link-silent", "leaf1:spine1") if isinstance(one, Mute)} == ends
    both = effects(
        lab, [Fault("link-loss", ("leaf1:spine1",), percent=3.0), Fault("link-delay", ("leaf1:spine1",), delay_ms=7.0)]
    )
    assert {(one.percent, one.delay_ms) for one in both if isinstance(one, Shaped)} == {(3.0, 7.0)}
    dark = alone("switch-kill", "spine1")
    assert Dark(lab.group_of["spine1"].name, "spine1") in dark
    assert ends <= {one.interface for one in dark if isinstance(one, Unplugged)}
    dead = alone("node-kill", "node2")
    assert {NodeDead("node2"), Dark(node.bridge.group, node.bridge.name)} <= dead
    assert node.port.interface in {one.interface for one in dead if isinstance(one, Unplugged)}
    assert alone("component-stop", "agent") == {Stopped("agent")}
    (apart, *others) = sorted(one for one in alone("partition", "node1", "node2") if isinstance(one, Apart))
    assert (apart.bridge, apart.sources) == ("b1", ("10.244.1.0/24", "172.30.0.3"))
    assert [one.bridge for one in others] == ["b2"]


def test_a_patch_link_that_is_down_has_lost_its_ports() -> None:
    lab = of()
    assert named(*effects(lab, [Fault("link-down", ("leaf1:spine1",))])) == {"Unpatched"}
    muted = effects(lab, [Fault("link-silent", ("leaf1:spine1",))])
    both = effects(lab, [Fault("link-silent", ("leaf1:spine1",)), Fault("link-down", ("leaf1:spine1",))])
    lifted, applied = changes(both, muted)
    assert named(*lifted) == {"Unpatched"}
    assert set(applied) == muted  # a port that is put back has forgotten that it was mute
    assert all(isinstance(one, Unpatched) for one in lifted)


FAULTS = [
    *(Fault(kind, (link,)) for kind in ("link-down", "link-silent") for link in ("leaf1:spine1", "node1:leaf1")),
    *(Fault("switch-kill", (name,)) for name in ("spine1", "leaf1", "border")),
    Fault("node-kill", ("node1",)),
    Fault("component-stop", ("openflow",)),
    Fault("partition", ("node1", "node2,node3")),
]


@settings(max_examples=50, deadline=None)
@given(st.permutations(FAULTS), st.randoms(use_true_random=False))
def test_in_whatever_order_faults_come_and_go_nothing_is_left(faults: list[Fault], order: Any) -> None:
    lab, there, now = veths(), frozenset[Effect](), ()
    undoing = [fault.opposite for fault in faults]
    order.shuffle(undoing)
    for step in (*faults, *undoing):
        assert step is not None
        now = tuple(standing_after(now, step))
        lifted, applied = changes(there, effects(lab, now))
        there = there - set(lifted) | set(applied)
        assert there == effects(lab, now)
    assert (there, now) == (frozenset(), ())


def test_opposites_undo_their_own_faults_alone_and_heal_undoes_all() -> None:
    cut, mute, dead = Fault("link-down", ("a:b",)), Fault("link-silent", ("a:b",)), Fault("switch-kill", ("s",))
    standing = (cut, mute, dead)
    assert tuple(standing_after(standing, Fault("link-up", ("a:b",)))) == (mute, dead)
    assert tuple(standing_after(standing, Fault("link-heal", ("a:b",)))) == (cut, dead)
    assert tuple(standing_after(standing, Fault(HEAL, ("a:b",)))) == (dead,)
    assert tuple(standing_after(standing, Fault(HEAL, ()))) == ()
    assert tuple(standing_after(standing, cut)) == (mute, dead, cut)
    assert tuple(standing_after(standing, Fault("pod-kill", ("default/web",)))) == standing


def test_every_fault_says_what_undoes_it() -> None:
    for kind in KINDS.values():
        if kind.opposite:
            assert kind.name in KINDS[kind.opposite].undoes
    assert lasting(Fault("component-kill", ("agent",))).kind == "component-stop"
    with pytest.raises(BadInput, match="pod-kill has nothing to undo afterwards"):
        lasting(Fault("pod-kill", ("web",)))


def test_a_fault_survives_being_written() -> None:
    fault = Fault("link-loss", ("a:b",), percent=2.5)
    assert Fault.from_raw(fault.to_raw()) == fault
    assert (str(fault), planned(1, "single").spec.failover.bfd_interval_ms) == ("link-loss 2.5 % a:b", 300)
