"""Random clusters and policies on a real Open vSwitch: what the oracle allows is what a trace, and what packets, say.

The pods stay where they are; labels, namespaces and policies change from world to world, and the controller with them.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Sequence

import pytest
from handmade import Handmade, Host, host_mac, mac, run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_policies import PORTS, World, worlds
from settled import in_force

from experiments.policy.oracle import NodePlace, Oracle, PodPlace
from k8sshim.objects import Key, Raw
from lab.tracing import transcript
from topo.syscalls import inside

pytestmark = pytest.mark.netns
PODS, TRACED, SENT = 5, 300, 30
WAIT_S, LONGEST_S = 0.4, 20.0  # for answers that shall not come, and for those that shall
SETTLE_S = 0.1  # in which the controller has datapaths forget, once the bridges hold what they shall
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
    in_force(lab)


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
    expected = [oracle.verdict(one[0], other[0], port, "TCP") for one, other, port in asked]
    time.sleep(SETTLE_S)
    lab.settle()
    begun = [begin(one[1].netns, other[1].address, port) for one, other, port in asked]
    heard = answered(begun, [one for one, verdict in zip(begun, expected, strict=True) if verdict.allowed])
    for (one, other, port), connection, verdict in zip(asked, begun, expected, strict=True):
        assert (connection in heard) == verdict.allowed, (one[0], other[0], port, verdict, world.policies)
        connection.close()


def answered(begun: Sequence[socket.socket], awaited: Sequence[socket.socket]) -> set[socket.socket]:
    """Which connections are answered at all, all tried at once; those that shall be are waited for."""
    heard: set[socket.socket] = set()
    of_number = {one.fileno(): one for one in begun}
    with select.epoll() as poll:
        for number in of_number:
            poll.register(number, select.EPOLLOUT)

        def listen(seconds: float, enough: Callable[[], bool]) -> None:
            deadline = time.monotonic() + seconds
            while not enough() and (left := deadline - time.monotonic()) > 0:
                for number, _ in poll.poll(left):
                    heard.add(of_number[number])
                    poll.unregister(number)

        listen(LONGEST_S, lambda: heard.issuperset(awaited))
        listen(WAIT_S, lambda: len(heard) == len(begun))
    return heard


def begin(netns: str, address: str, port: int) -> socket.socket:
    with inside(netns):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    one.connect_ex((address, port))
    return one
