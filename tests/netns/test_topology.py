"""Whole topologies, both shapes in every placement: each bridge, node and link of the plan, and packets across them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sshim.errors import PodwireError
from topo import mininet_backend, netns, ovs, spec
from topo.mininet_backend import Topology
from topo.netns import LinuxNamespaces
from topo.ovs import OpenVSwitchBridges
from topo.plan import Plan, plan
from topo.ports import BridgePort, NamespaceLink

pytestmark = pytest.mark.netns
SHAPES = {
    "single": {"nodes": 3},
    "leaf-spine": {"nodes": 3, "fabric": {"shape": "leaf-spine", "leaves": 2, "spines": 2}},
}
PLACEMENTS = {"shared": "shared", "per-node": "per-node", "two a process": 2}


def planned(name: str = "lab", **body: Any) -> Plan:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": body}
    return plan(spec.parse(raw))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def build(run: Path, tmp_path: Path) -> Iterator[Callable[[Plan], Topology]]:
    """Builds topologies below `run`, and takes them away at the end."""
    built: list[Topology] = []

    def make(lab: Plan) -> Topology:
        built.append(mininet_backend.build(lab, run, tmp_path / "log"))
        return built[-1]

    yield make
    for topology in built:
        topology.stop()


@pytest.fixture(params=[(shape, placement) for shape in SHAPES for placement in PLACEMENTS], ids=" ".join)
def topology(request: pytest.FixtureRequest, build: Callable[[Plan], Topology]) -> Topology:
    shape, placement = request.param
    return build(planned(**SHAPES[shape], bridgePlacement=PLACEMENTS[placement]))


def ofctl(topology: Topology, switch: str, *arguments: str) -> str:
    """Runs ovs-ofctl on a switch of the topology."""
    switchd = topology.groups[topology.plan.switches[switch].group]
    argv = ["ovs-ofctl", "-OOpenFlow15", arguments[0], f"unix:{switchd.directory / switch}.mgmt", *arguments[1:]]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def forward(topology: Topology) -> None:
    """Lets every switch learn and flood, but for spines after the first: a loop would never end."""
    for switch in topology.plan.switches:
        if not re.fullmatch(r"spine([2-9]|\d\d+)", switch):
            ofctl(topology, switch, "add-flow", "actions=normal")


def ping(namespace: str, address: str, deadline_s: int = 10) -> bool:
    argv = ["nsenter", f"--net=/run/netns/{namespace}", "ping", "-c", "1", "-w", str(deadline_s), address]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def wait_until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_bridge_is_there(topology: Topology) -> None:
    for name, switch in topology.plan.switches.items():
        shown = ofctl(topology, name, "show")
        assert f"dpid:{switch.dpid:016x}" in shown
    for group in topology.plan.groups:
        assert topology.groups[group.name].vsctl("list-br").split() == sorted(group.switches)


def test_every_port_has_its_number(topology: Topology, run: Path) -> None:
    bridges = OpenVSwitchBridges.of(topology.plan, run)
    for name in topology.plan.switches:
        ends = [end for link in topology.plan.links for end in (link.a, link.b) if end.switch == name]
        expected = {end.interface: end.port for end in ends}
        attached = [one.port for one in topology.plan.attached if one.port.bridge == name]
        expected |= {port.interface: port.number for port in attached}
        assert bridges.ports(name) == expected


def test_every_node_and_host_has_its_addresses_and_route(topology: Topology) -> None:
    for node in topology.plan.attached:
        argv = ["ip", "-n", node.namespace, "-json", "address", "show", "dev", "eth0"]
        (eth0,) = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        assert (eth0["address"], eth0["operstate"]) == (node.mac, "UP")
        assert [f"{one['local']}/{one['prefixlen']}" for one in eth0["addr_info"]] == [*node.interface_addresses]
        routes = topology.net[node.host].cmd("ip route show default")
        assert routes.startswith(f"default via {node.gateways[0]} dev eth0")
        assert netns.interfaces(node.namespace)["lo"]


def test_nodes_reach_each_other_across_the_fabric(topology: Topology) -> None:
    first, *others = topology.plan.nodes
    forward(topology)
    assert all(ping(first.namespace, str(node.addresses[0])) for node in others)


def test_it_lives_and_what_died_is_named_and_comes_back(topology: Topology) -> None:
    assert topology.alive() == []
    forward(topology)
    first, second = topology.plan.nodes[:2]
    assert ping(first.namespace, str(second.addresses[0]))
    os.kill(topology.groups[first.bridge.group].pid, signal.SIGKILL)
    wait_until(lambda: bool(topology.alive()))
    assert topology.alive() == [f"ovs-vswitchd of group {first.bridge.group} ended with code -9"]
    topology.restart()
    assert topology.alive() == []
    forward(topology)
    assert ping(first.namespace, str(second.addresses[0]))
    assert ofctl(topology, first.bridge.name, "dump-flows").count("NORMAL") == 1


def test_a_host_that_ended_is_named(build: Callable[[Plan], Topology]) -> None:
    topology = build(planned())
    os.kill(topology.net["n2"].pid, signal.SIGKILL)
    wait_until(lambda: topology.alive() == ["host n2 ended"])


def test_bridges_drop_everything_without_a_controller(build: Callable[[Plan], Topology]) -> None:
    switchd = build(planned()).groups["0"]
    assert switchd.vsctl("get-fail-mode", "b1").strip() == "secure"
    assert switchd.vsctl("get", "Bridge", "b1", "protocols").strip() == "[OpenFlow13, OpenFlow14, OpenFlow15]"
    assert not ping("node-node1", "172.30.0.3", deadline_s=1)


@pytest.mark.parametrize("placement", ["shared", "per-node"])
def test_every_bridge_calls_a_controller_that_comes_late(
    build: Callable[[Plan], Topology], run: Path, placement: str
) -> None:
    lab = build(planned(bridgePlacement=placement)).plan
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run / "openflow.sock"))
        listener.listen()
        listener.settimeout(20)
        callers = [listener.accept()[0] for _ in lab.switches]
        hellos = [caller.recv(8) for caller in callers]
    assert all(hello[0] == 6 and hello[1] == 0 for hello in hellos)  # OpenFlow 1.5, OFPT_HELLO
    for caller in callers:
        caller.close()


@pytest.mark.parametrize("placement", ["shared", "per-node"])
def test_a_pod_is_added_to_a_running_bridge(build: Callable[[Plan], Topology], run: Path, placement: str) -> None:
    topology = build(planned(bridgePlacement=placement))
    forward(topology)
    group = topology.plan.group_of["b3"]
    pod = NamespaceLink("pod-x", "eth0", "0a:58:ac:1e:00:c8", ("172.30.0.200/24",), (), 1500, "podx", group.namespace)
    namespaces, bridges = LinuxNamespaces(), OpenVSwitchBridges.of(topology.plan, run)
    try:
        namespaces.create(["pod-x"])
        namespaces.connect([pod])
        bridges.add_ports([BridgePort("b3", "podx", 18)])
        assert ping("node-node1", "172.30.0.200")
    finally:
        namespaces.disconnect([pod])
        namespaces.delete(["pod-x"])


def test_mininet_knows_what_was_built(build: Callable[[Plan], Topology]) -> None:
    net = build(planned(bridgePlacement="per-node")).net
    assert net["n1"].IP() == "172.30.0.2"
    assert [str(one) for one in net["b1"].intfList()] == ["b1-n1", "b1-s1"]
    assert "b1-s1" in net["b1"].cmd("ip link")  # its shell lives where its ovs-vswitchd does
    assert net["b1"].vsctl("list-ports", "b1").split() == ["b1-n1", "b1-s1"]


def test_nothing_is_left_when_it_stops(build: Callable[[Plan], Topology]) -> None:
    before = (netns.interfaces(None), LinuxNamespaces().names())
    build(planned()).stop()
    assert (netns.interfaces(None), LinuxNamespaces().names()) == before


def test_a_datapath_that_is_not_here_is_refused(build: Callable[[Plan], Topology]) -> None:
    if ovs.kernel_datapath():
        pytest.skip("this machine has the kernel datapath")
    with pytest.raises(PodwireError, match="no openvswitch module"):
        build(planned(datapath="kernel"))
