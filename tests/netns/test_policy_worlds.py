"""Random clusters and policies on a real Open vSwitch: what the oracle allows is what a trace, and what packets, say.

The pods stay where they are; labels, namespaces and policies change from world to world, and the controller with them.
"""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Iterable

import pytest
from handmade import Handmade, Host, host_mac, mac, run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_policies import PORTS, World, worlds

from controller.desired import Desired
from controller.watch import KINDS
from experiments.policy.oracle import NodePlace, Oracle, PodPlace
from k8sshim.objects import Key, Raw
from lab.tracing import transcript
from lab.waiting import wait_until
from topo.syscalls import inside

pytestmark = pytest.mark.netns
PODS, TRACED, SENT = 5, 300, 30
WAIT_S = 0.4  # for an answer; within one machine it takes a millisecond
COOKIE = re.compile(r"cookie=0x([0-9a-f]+)")
once = settings(phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Handmade:
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2, outside=True).begun(request)
    for number in range(PODS):
        handmade.pod(f"pod-{number}", number % 2 + 1, number + 2)
    handmade.programmed()
    return handmade


def show(lab: Handmade, world: World) -> None:
    """Tell the controller of a world, and wait until every bridge holds what that means."""
    network = {pod.name: lab.hosts[pod.name] for pod in lab.hosts.values() if pod.name.startswith("pod-")}
    pods = [{**pod, "metadata": {**pod["metadata"], "annotations": place(network[_name(pod)])}} for pod in world.pods]
    nodes = [{**node, "spec": {"podCIDR": f"10.244.{i}.0/24"}} for i, node in enumerate(world.nodes, 1)]
    objects = [*world.namespaces, *nodes, *pods, *world.policies]
    wanted = {(raw["kind"], Key.of(raw)) for raw in objects}
    for raw in lab.api.everything():
        key = Key.of(raw)
        if raw["kind"] != "Cluster" and (raw["kind"], key) not in wanted:
            lab.api.delete(raw["kind"], key.name, key.namespace)
    for raw in objects:
        lab.api.put(raw)
    desired = Desired()
    for raw in lab.api.everything():
        desired.put(raw["kind"], Key.of(raw), KINDS[raw["kind"]][1](raw))
    bridges = {f"b{dpid}": {flow.cookie for flow in desired.wanted(dpid).flows.values()} for dpid in (1, 2)}
    assert wait_until(lambda: all(held(lab, one) == flows for one, flows in bridges.items()), 10), json.dumps(objects)


def held(lab: Handmade, bridge: str) -> set[int]:
    return {int(number, 16) for number in COOKIE.findall(lab.ofctl("dump-flows", bridge))}


def place(host: Host) -> dict[str, str]:
    network = {"addresses": [host.address], "mac": host_mac(host.address), "port": host.port}
    return {"podwire.dev/pod-network": json.dumps(network)}


def _name(pod: Raw) -> str:
    return str(pod["metadata"]["name"])


def pod_place(pod: Raw) -> PodPlace:
    return PodPlace(pod["metadata"]["namespace"], pod["metadata"]["name"])


def traced(lab: Handmade, source: Host, target: Host, protocol: str, port: int) -> bool:
    """Whether Open vSwitch's own trace of a first packet ends at its target."""
    flow = (
        f"in_port={source.port},{protocol.lower()},dl_src={host_mac(source.address)},dl_dst={mac('0a:77', source.node)}"
    )
    flow += f",nw_src={source.address},nw_dst={target.address},nw_ttl=64,{protocol.lower()}_src=40000"
    bridge, control = f"b{source.node}", str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    said = run("ovs-appctl", "-t", control, "ofproto/trace", bridge, f"{flow},{protocol.lower()}_dst={port}").stdout
    last = transcript.visits(said, bridge)[-1]
    return (last.switch, last.output) == (f"b{target.node}", target.port)


@settings(once, max_examples=TRACED)
@given(world=worlds(fewest=PODS, most=PODS, kinds=("usual",)), data=st.data())
def test_a_trace_ends_where_the_oracle_says(lab: Handmade, world: World, data: st.DataObject) -> None:
    show(lab, world)
    oracle = Oracle(world.objects)
    for _ in range(2):
        one, other = data.draw(st.permutations(world.pods))[:2]
        protocol, port = data.draw(st.sampled_from([(name, port) for name, ports in PORTS.items() for port in ports]))
        expected = oracle.verdict(pod_place(one), pod_place(other), port, protocol)
        observed = traced(lab, lab.hosts[_name(one)], lab.hosts[_name(other)], protocol, port)
        assert observed == expected.allowed, (one, other, protocol, port, expected, world.policies)


@settings(once, max_examples=SENT)
@given(world=worlds(fewest=PODS, most=PODS, kinds=("usual",)))
def test_packets_between_all_pairs_arrive_where_the_oracle_says(lab: Handmade, world: World) -> None:
    """Nobody listens: a reset, or ICMP port unreachable, tells that the packet arrived."""
    show(lab, world)
    oracle = Oracle(world.objects)
    pods = [(pod_place(pod), lab.hosts[_name(pod)]) for pod in world.pods]
    sources = [*pods, *((NodePlace(f"node{number}"), lab.hosts[f"node{number}"]) for number in (1, 2))]
    asked = [(one, other, port) for one in sources for other in pods if one != other for port in PORTS["TCP"]]
    arrived = answers((one[1].netns, other[1].address, port) for one, other, port in asked)
    for (one, other, port), observed in zip(asked, arrived, strict=True):
        expected = oracle.verdict(one[0], other[0], port, "TCP")
        assert observed == expected.allowed, (one[0], other[0], port, expected, world.policies)


def answers(connections: Iterable[tuple[str, str, int]]) -> list[bool]:
    """Which connections are answered at all, all tried at once."""
    begun = [begin(*one) for one in connections]
    heard: set[int] = set()
    with select.epoll() as poll:
        for one in begun:
            poll.register(one, select.EPOLLOUT)
        deadline = time.monotonic() + WAIT_S
        while len(heard) < len(begun) and (left := deadline - time.monotonic()) > 0:
            for number, _ in poll.poll(left):
                heard.add(number)
                poll.unregister(number)
    numbers = [one.fileno() for one in begun]
    for one in begun:
        one.close()
    return [number in heard for number in numbers]


def begin(netns: str, address: str, port: int) -> socket.socket:
    with inside(netns):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    one.connect_ex((address, port))
    return one
