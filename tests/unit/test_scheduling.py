"""Scheduling, case by case: which node, and in which words none."""

from __future__ import annotations

import dataclasses

import pytest

from k8sshim.objects import Key, Node, Raw, Taint
from k8sshim.scheduling import Candidate, Constraints, HostPort, Load, Toleration, group_of, host_ports, schedule

pytestmark = pytest.mark.unit

PLAIN = Node("n1", (), (), False, True, (), ("10.244.1.0/24",))


def node(name: str, *taints: Taint, unschedulable: bool = False, ready: bool = True, **labels: str) -> Node:
    return dataclasses.replace(
        PLAIN, name=name, taints=taints, unschedulable=unschedulable, ready=ready, labels=tuple(sorted(labels.items()))
    )


def candidate(**spec: object) -> Candidate:
    return Candidate(Key("default", "p"), "group", Constraints.parse(spec))


def affinity(*expressions: Raw, fields: tuple[Raw, ...] = ()) -> Raw:
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    required = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


DEDICATED = Taint("dedicated", "db", "NoSchedule")
GONE = Taint("gone", "", "NoExecute")
TWO = [node("n1", zone="a", cores="2"), node("n2", zone="b", cores="16")]


@pytest.mark.parametrize(
    ("nodes", "spec", "message"),
    [
        ([], {}, "no nodes available to schedule pods"),
        ([node("n1", DEDICATED)], {}, "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}."),
        ([node("n1", GONE)], {}, "0/1 nodes are available: 1 node(s) had untolerated taint {gone: }."),
        ([node("n1", unschedulable=True)], {}, "0/1 nodes are available: 1 node(s) were unschedulable."),
        (
            [node("n1", ready=False)],
            {},
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        ),
        (
            [node("n1", Taint("k", "v", "NoSchedule")), node("n2"), node("n3")],
            {"nodeSelector": {"disk": "ssd"}},
            "0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, "
            "2 node(s) didn't match Pod's node affinity/selector.",
        ),
        (
            TWO,
            {
                "affinity": {
                    "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}
                }
            },
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
    ],
)
def test_a_pod_that_fits_nowhere_is_told_why(nodes: list[Node], spec: Raw, message: str) -> None:
    decision = schedule(candidate(**spec), nodes, Load())
    assert (decision.node, decision.message) == ("", message)


def requirement(key: str, operator: str, *values: str) -> Raw:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "n1"),
        ({"nodeSelector": {"zone": "b"}}, "n2"),
        ({"affinity": affinity(requirement("zone", "In", "b", "c"))}, "n2"),
        ({"affinity": affinity(requirement("zone", "NotIn", "a"))}, "n2"),
        ({"affinity": affinity(requirement("gpu", "NotIn", "a"))}, "n1"),
        ({"affinity": affinity(requirement("zone", "Exists"))}, "n1"),
        ({"affinity": affinity(requirement("zone", "DoesNotExist"))}, ""),
        ({"affinity": affinity(requirement("cores", "Gt", "8"))}, "n2"),
        ({"affinity": affinity(requirement("cores", "Lt", "8"))}, "n1"),
        ({"affinity": affinity(requirement("cores", "Gt", "many"))}, ""),
        ({"affinity": affinity(requirement("zone", "Gt", "8"))}, ""),
        ({"affinity": affinity(fields=(requirement("metadata.name", "In", "n2"),))}, "n2"),
        (
            {"affinity": affinity(requirement("zone", "In", "a"), fields=(requirement("metadata.name", "In", "n2"),))},
            "",
        ),
    ],
)
def test_selectors_and_affinity(spec: Raw, expected: str) -> None:
    assert schedule(candidate(**spec), TWO, Load()).node == expected


def test_one_matching_term_of_several_is_enough() -> None:
    terms = [{"matchExpressions": [requirement("zone", "In", zone)]} for zone in ("x", "b")]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert schedule(candidate(affinity={"nodeAffinity": required}), TWO, Load()).node == "n2"


def test_preferred_affinity_comes_before_spreading() -> None:
    preferred = [{"weight": 10, "preference": {"matchExpressions": [requirement("zone", "In", "b")]}}]
    spec = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}
    load = Load()
    load.add("group", "n2", 5)
    assert schedule(candidate(**spec), TWO, load).node == "n2"


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("dedicated", "Equal", "db", "NoSchedule"), True),
        (Toleration("dedicated", "Equal", "db", ""), True),
        (Toleration("dedicated", "Exists", "", ""), True),
        (Toleration("", "Exists", "", ""), True),
        (Toleration("dedicated", "Equal", "web", ""), False),
        (Toleration("dedicated", "Equal", "db", "NoExecute"), False),
        (Toleration("other", "Exists", "", ""), False),
        (Toleration("", "Equal", "db", ""), False),
    ],
)
def test_tolerations(toleration: Toleration, tolerated: bool) -> None:
    assert toleration.tolerates(DEDICATED) == tolerated


def test_a_toleration_opens_cordoned_and_unready_nodes_as_it_does_for_daemons() -> None:
    spec = {"tolerations": [{"operator": "Exists"}]}
    assert schedule(candidate(**spec), [node("n1", unschedulable=True, ready=False)], Load()).node == "n1"


def test_a_taint_that_would_rather_not_is_a_preference() -> None:
    shy = node("n1", Taint("k", "v", "PreferNoSchedule"))
    load = Load()
    load.add("group", "n2", 9)
    assert schedule(candidate(), [shy, node("n2")], load).node == "n2"
    assert schedule(candidate(), [shy], load).node == "n1"
    spec = {"tolerations": [{"key": "k", "operator": "Exists"}]}
    assert schedule(candidate(**spec), [shy, node("n2")], load).node == "n1"


def test_spreads_by_group_then_by_pods_then_by_name() -> None:
    nodes, load = [node(name) for name in ("n10", "n2", "n1")], Load()
    order = []
    for _ in range(4):
        order.append(schedule(candidate(), nodes, load).node)
        load.add("group", order[-1])
    assert order == ["n1", "n2", "n10", "n1"]
    load.add("other", "n2", 7)
    assert schedule(candidate(), nodes, load).node == "n10"  # one of the group on n2 and n10; fewer pods on n10


def test_a_node_without_addresses_is_passed_over_and_named() -> None:
    full = {"n1": "10.244.1.0/30"}
    assert schedule(candidate(), TWO, Load(), full).node == "n2"
    decision = schedule(candidate(nodeSelector={"zone": "a"}), TWO, Load(), full)
    assert decision.message == (
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had no free address in podCIDR 10.244.1.0/30."
    )


def test_load_forgets_what_left() -> None:
    load = Load()
    load.add("g", "n1")
    load.add("g", "n1", -1)
    assert not load.pods and not load.peers


def test_group_is_the_controller_else_the_labels() -> None:
    owned = {"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b", "controller": True}]}}
    assert group_of(owned) == "b"
    alike = [{"metadata": {"namespace": "x", "labels": {"app": "web"}, "name": name}} for name in ("p", "q")]
    assert group_of(alike[0]) == group_of(alike[1])
    assert group_of(alike[0]) != group_of({"metadata": {"namespace": "y", "labels": {"app": "web"}}})


def test_a_host_port_that_is_taken_keeps_a_pod_off_the_node() -> None:
    pod = dataclasses.replace(candidate(), ports=(HostPort("0.0.0.0", "TCP", 8080),))
    load = Load()
    load.add("other", "n1", ports=[HostPort("10.0.0.1", "TCP", 8080)])
    load.add("other", "n2", 5)
    assert schedule(pod, TWO, load).node == "n2"
    load.add("other", "n2", ports=pod.ports)
    refused = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    assert schedule(pod, TWO, load).message == refused
    full = schedule(pod, [*TWO, node("n3")], load, {"n3": "10.244.3.0/24"}).message
    assert full.startswith("0/3 nodes are available: 1 node(s) had no free address") and "2 node(s) didn't have" in full
    load.add("other", "n1", -1, [HostPort("10.0.0.1", "TCP", 8080)])
    assert schedule(pod, TWO, load).node == "n1"


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        (("0.0.0.0", "TCP", 80), ("0.0.0.0", "TCP", 80), True),
        (("0.0.0.0", "TCP", 80), ("10.0.0.1", "TCP", 80), True),
        (("10.0.0.1", "TCP", 80), ("10.0.0.1", "TCP", 80), True),
        (("10.0.0.1", "TCP", 80), ("10.0.0.2", "TCP", 80), False),
        (("10.0.0.1", "TCP", 80), ("10.0.0.1", "UDP", 80), False),
        (("0.0.0.0", "TCP", 80), ("0.0.0.0", "TCP", 81), False),
    ],
)
def test_no_conflict_between_pods_with_same_host_port_but_different_host_ip_and_protocol(
    one: tuple[str, str, int], other: tuple[str, str, int], collide: bool
) -> None:
    assert HostPort(*one).collides(HostPort(*other)) is HostPort(*other).collides(HostPort(*one)) is collide


def test_host_ports_are_those_of_all_that_stay() -> None:
    declared = {"ports": [{"containerPort": 1, "hostPort": 53, "protocol": "UDP"}, {"containerPort": 2}]}
    staying = {"restartPolicy": "Always", "ports": [{"containerPort": 3, "hostPort": 9, "hostIP": "10.0.0.1"}]}
    passing = {"ports": [{"containerPort": 4, "hostPort": 10}]}
    found = host_ports({"containers": [declared], "initContainers": [staying, passing]})
    assert found == (HostPort("0.0.0.0", "UDP", 53), HostPort("10.0.0.1", "TCP", 9))
