"""Random clusters and policies: what the flows let through, followed by the interpreter, is what the oracle says.

The oracle reads the API's JSON and shares no code with the engine; the interpreter reads flows. Every place that can
send (pods, nodes, the outside host) asks every pod, and pods ask nodes and the outside.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_model import OUTSIDE_HOST, Host, Network, bordered, cluster_of, host_mac, named, node_host
from random_policies import PORTS, World, worlds

from controller.desired import View
from controller.diff import Change, Held, Rules, missing
from controller.opening import passes, without_openings
from controller.services import EVERY_NODE
from controller.watch import KINDS
from experiments.policy.oracle import Address, NodePlace, Oracle, Place, PodPlace
from k8sshim.cluster import Cluster
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw
from k8sshim.policies import Policy, Tier

pytestmark = pytest.mark.unit
CASES = 10_000 if os.environ.get("CI") else 1_000
ASKED = [(protocol, port) for protocol, numbers in PORTS.items() for port in numbers]
End = tuple[Place, Host]
NOTHING_HELD = Held(frozenset(), {})


@cache
def cluster() -> Cluster:
    return bordered(cluster_of(2))


def views(world: World) -> Iterator[View]:
    """What the controller is told: pods with their places in the network."""
    for number, node in enumerate(world.nodes, 1):
        yield KINDS["Node"][1]({**node, "spec": {"podCIDR": f"10.244.{number}.0/24"}})
    for raw in (*world.namespaces, *map(placed, world.pods), *world.policies):
        yield KINDS[raw["kind"]][1](raw)


def placed(pod: Raw) -> Raw:
    """A pod as scheduling leaves it."""
    if pod["spec"].get("hostNetwork"):
        return pod
    address = pod["status"]["podIP"]
    network = PodNetwork((address,), host_mac(address), 16 + int(address.rpartition(".")[2]))
    annotations = {POD_NETWORK_ANNOTATION: network.to_json()}
    return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}


def end_of(pod: Raw) -> End:
    place = PodPlace(pod["metadata"]["namespace"], pod["metadata"]["name"])
    address, dpid = pod["status"]["podIP"], int(pod["spec"]["nodeName"].removeprefix("node"))
    if pod["spec"].get("hostNetwork"):
        return place, node_host(dpid)
    return place, Host(dpid, 16 + int(address.rpartition(".")[2]), address)


def running(world: World) -> list[Raw]:
    return [pod for pod in world.pods if pod["status"]["phase"] == "Running"]


def ends(world: World) -> list[End]:
    nodes: list[End] = [(NodePlace(f"node{number}"), node_host(number)) for number in (1, 2)]
    return [*map(end_of, running(world)), *nodes, (Address(OUTSIDE_HOST.address), OUTSIDE_HOST)]


def arrives(network: Network, source: Host, target: Host, protocol: str, port: int) -> bool:
    """Whether a new connection's first packet comes out at its target."""
    network.fabric.connections.clear()
    arrivals = network.send(source, source.packet(target.address, protocol, port))
    return any((one.dpid, one.port) == (target.dpid, target.port) for one in arrivals)


def built(world: World) -> Network:
    network = Network(cluster())
    for view in (cluster(), *views(world)):
        network.desired.put(*named(view), view)
    for dpid, switch in network.fabric.switches.items():
        switch.apply(missing(NOTHING_HELD, network.desired.wanted(dpid)))
    return network


@cache
def standing() -> Network:
    """A cluster that one world after the other is shown to: only what differs from world to world is worked out."""
    network = Network(cluster())
    told(network, [(*named(cluster()), cluster())])
    return network


@contextmanager
def shown(world: World) -> Iterator[Network]:
    """The standing cluster with a world's objects, which go again; the nodes stay."""
    network, objects = standing(), [(*named(view), view) for view in views(world)]
    told(network, objects)
    try:
        yield network
    finally:
        told(network, [(kind, key, None) for kind, key, _ in objects if kind != "Node"])


def told(network: Network, objects: Iterable[tuple[str, Key, View | None]]) -> None:
    """Objects as the API tells them; what they change goes to the switches in one bundle each."""
    bundles = {dpid: Change() for dpid in network.fabric.switches}
    for kind, key, view in objects:
        for place, change in network.desired.put(kind, key, view).items():
            for dpid in network.desired.node_bridges() if place == EVERY_NODE else [place]:
                bundles[dpid].add(change)
    for dpid, change in bundles.items():
        network.fabric.switches[dpid].apply(change)


def connections(data: st.DataObject, world: World, count: int) -> Iterator[tuple[End, End, str, int]]:
    """Connections to judge; the outside host is a target only, since it knows no pod by its address."""
    places = ends(world)
    for _ in range(count):
        source, target = data.draw(st.sampled_from(places[:-1])), data.draw(st.sampled_from(places))
        protocol, port = data.draw(st.sampled_from(ASKED))
        if source[1].address != target[1].address:
            yield source, target, protocol, port


@settings(max_examples=CASES // 2, suppress_health_check=list(HealthCheck))
@given(world=worlds(), data=st.data())
def test_flows_let_through_what_the_oracle_allows(world: World, data: st.DataObject) -> None:
    agree(world, data)


@settings(max_examples=CASES // 2, suppress_health_check=list(HealthCheck))
@given(world=worlds(), data=st.data())
def test_they_do_so_in_as_many_other_cases(world: World, data: st.DataObject) -> None:
    """By another name, for Hypothesis to take others, and for another process to try them."""
    agree(world, data)


def agree(world: World, data: st.DataObject) -> None:
    oracle = Oracle(world.objects)
    with shown(world) as network:
        for source, target, protocol, port in connections(data, world, 4):
            expected = oracle.verdict(source[0], target[0], port, protocol)
            observed = arrives(network, source[1], target[1], protocol, port)
            asked = (source[0], target[0], protocol, port)
            assert observed == expected.allowed, (asked, expected, json.dumps(world.policies))


@settings(max_examples=CASES // 10, suppress_health_check=list(HealthCheck))
@given(before=worlds(), after=worlds(), data=st.data())
def test_what_changes_lead_to_is_what_a_fresh_start_leads_to(before: World, after: World, data: st.DataObject) -> None:
    """Objects come, change and go one by one; every change turns the flows held into those wanted.

    In any order, but that an address is free before another pod gets it.
    """
    network = built(before)
    wanted = {named(view): view for view in views(after)}
    gone = [one for one in map(named, views(before)) if one not in wanted]
    for kind, key in [*data.draw(st.permutations(gone)), *data.draw(st.permutations(list(wanted)))]:
        for place, change in network.desired.put(kind, key, wanted.get((kind, key))).items():
            for dpid in network.desired.node_bridges() if place == EVERY_NODE else [place]:
                network.fabric.switches[dpid].apply(change)
    fresh = built(after)
    for dpid, switch in network.fabric.switches.items():
        assert texts(switch.holds()) == texts(fresh.desired.wanted(dpid))


def texts(rules: Rules) -> set[str]:
    return {one.text for one in (*rules.flows.values(), *rules.groups.values())}


@settings(max_examples=CASES // 10, suppress_health_check=list(HealthCheck))
@given(world=worlds(), later=worlds(), data=st.data())
def test_nothing_that_both_sets_forbid_gets_through_on_the_way(world: World, later: World, data: st.DataObject) -> None:
    """From one set of policies to another: all close before any passes, and pass before any opens, in any order."""
    after = replace(world, policies=later.policies)
    network, old, new = built(world), Oracle(world.objects), Oracle(after.objects)
    changes = changes_to(network, world, after)
    baseline = any(isinstance(one, Policy) and one.tier is Tier.BASELINE for one in views(after))
    steps = [parts(changes[dpid], baseline=baseline) for dpid in (1, 2)]
    order = data.draw(st.tuples(*[st.permutations((0, 1))] * 3))
    asked = list(connections(data, world, 4))
    for bridge, part in ((bridge, part) for part, bridges in enumerate(order) for bridge in bridges):
        network.fabric.switches[bridge + 1].apply(steps[bridge][part])
        for source, target, protocol, port in asked:
            verdicts = [one.verdict(source[0], target[0], port, protocol).allowed for one in (old, new)]
            if not any(verdicts):
                assert not arrives(network, source[1], target[1], protocol, port), (
                    source[0],
                    target[0],
                    protocol,
                    port,
                )


def parts(change: Change, *, baseline: bool) -> tuple[Change, Change, Change]:
    """What closes with what does neither, what passes, what opens."""
    rest, opening = without_openings(change, baseline=baseline)
    passing, others = ({number: flow for number, flow in opening.flows.items() if passes(number) == wanted}
                       for wanted in (True, False))  # fmt: skip
    return rest, Change(passing), Change(others)


def changes_to(network: Network, before: World, after: World) -> dict[int, Change]:
    """What each node bridge is sent for another set of policies."""
    held, wanted = ({named(view): view for view in views(one) if isinstance(view, Policy)} for one in (before, after))
    changes = {dpid: Change() for dpid in (1, 2)}
    for kind, key in (*wanted, *(one for one in held if one not in wanted)):
        for dpid, change in network.desired.put(kind, key, wanted.get((kind, key))).items():
            changes[dpid].add(change)
    return changes
