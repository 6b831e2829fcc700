"""A cluster's network made by hand: bridges and namespaces in a sandbox, and the objects that describe them.

Of `topo` it uses the daemons alone: the controller is tested against what `docs/architecture.md` promises.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from object_feed import ObjectFeed

from lab.waiting import wait_until
from topo.ovs import Switchd

ROOT = Path(__file__).parents[2]
NODE_PORT, UPLINK, FIRST_POD_PORT = 1, 2, 16
FABRIC_DPID, BORDER_DPID = 0x10001, 0x20001
GREETINGS = 4  # that may fail, one after the other, but for the last
OUTSIDE = 0  # stands for the number of a node: the outside host's at the border switch


def run(*argv: str, check: bool = True, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, check=check, text=True, capture_output=True, timeout=timeout_s)


def mac(prefix: str, number: int) -> str:
    return prefix + "".join(f":{byte:02x}" for byte in number.to_bytes(4, "big"))


def host_mac(address: str) -> str:
    return mac("0a:58", int.from_bytes(bytes(map(int, address.split("."))), "big"))


@dataclass
class Host:
    """A namespace at a port of a node bridge: a pod's or a node's own."""

    name: str
    node: int
    address: str
    port: int
    netns: str
    talker: subprocess.Popen[str] | None = None  # that asks others, as long as the lab is there

    def argv(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.netns, *argv]

    def run(self, *argv: str, check: bool = False, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        return run(*self.argv(*argv), check=check, timeout_s=timeout_s)

    def reaches(self, address: str) -> bool:
        """Whether an answer comes to one ping, however long it takes."""
        return self.run("ping", "-n", "-c1", "-W10", address).returncode == 0

    def pings(self, address: str, *options: str) -> bool:
        """Whether it comes at once."""
        return self.run("ping", "-n", "-c1", "-W1", *options, address).returncode == 0

    def python(self, code: str, *argv: str) -> subprocess.Popen[str]:
        """A running program; whoever starts it ends it."""
        return subprocess.Popen(
            self.argv(sys.executable, "-c", code, *argv),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def _sorted(lines: str) -> str:
    return "\n".join(sorted(lines.splitlines()))


@dataclass
class Handmade:
    """A cluster of `nodes` nodes on one fabric switch (`single`), or on leaves of two nodes each under two spines."""

    folder: Path
    nodes: int = 2
    fabric: str = "single"
    python: str = sys.executable
    framework: str = "os-ken"
    outside: bool = False  # whether there is a border switch with an outside host
    api: ObjectFeed = field(default_factory=ObjectFeed)
    hosts: dict[str, Host] = field(default_factory=dict)
    controller: subprocess.Popen[str] | None = None
    switchd: Switchd | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "openflow.sock"

    @property
    def in_kernel(self) -> bool:
        """Whether packets pass the kernel's datapath."""
        return self.switchd is not None and self.switchd.datapath_type == "system"

    @property
    def log(self) -> Path:
        return self.folder / "controller.log"

    def begun(self, request: pytest.FixtureRequest) -> Handmade:
        """With a controller and its network, until what asks for it ends."""
        request.addfinalizer(self.stop)
        self.start_controller()
        self.build()
        return self

    def build(self) -> None:
        """Bridges, links, nodes' namespaces; and the Cluster and Node objects."""
        link = self.folder / "switchd" / "openflow.sock"
        self.switchd = Switchd.start(link.parent)
        link.symlink_to(self.socket)  # Open vSwitch connects to sockets in its own folder alone
        links, switches = self._plan()
        vsctl: list[str] = []
        for switch in switches:
            vsctl += ["--", "add-br", switch["name"], "--", "set", "bridge", switch["name"],
                      f"datapath_type={self.switchd.datapath_type}", "fail-mode=secure", "protocols=OpenFlow14",
                      f"other-config:datapath-id={switch['dpid']:016x}",
                      "--", "set-controller", switch["name"], "unix:openflow.sock",
                      "--", "set", "controller", switch["name"], "max_backoff=1000"]  # fmt: skip
        for one, its_port, other, other_port in links:
            vsctl += self.patch(one, its_port, other) + self.patch(other, other_port, one)
        self.vsctl(*vsctl[1:])
        status = {
            "podCIDRs": ["10.244.0.0/16"], "serviceCIDRs": ["10.96.0.0/12"], "nodeCIDRs": ["172.30.0.0/24"],
            "podMTU": 1500,
            "switches": switches,
            "links": [{"a": {"switch": a, "port": p}, "b": {"switch": b, "port": q}} for a, p, b, q in links],
        }  # fmt: skip
        if self.outside:
            status |= self._outside()
        cluster = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "handmade"}}
        self.api.put({**cluster, "status": status})
        for number in range(1, self.nodes + 1):
            self._node(number)

    def _outside(self) -> dict[str, Any]:
        host, network, gateway = "203.0.113.2", "203.0.113.0/24", "203.0.113.1"
        self._attach(Host("outside", OUTSIDE, host, NODE_PORT, "outside"), gateway)
        one = {"name": "outside", "switch": "border", "port": NODE_PORT, "mac": host_mac(host), "addresses": [host],
               "network": network, "gateway": gateway}  # fmt: skip
        return {"hosts": [one], "outsideCIDRs": [network], "loadBalancerCIDRs": ["198.51.100.0/24"]}

    def _plan(self) -> tuple[list[tuple[str, int, str, int]], list[dict[str, Any]]]:
        numbers = range(1, self.nodes + 1)
        if self.fabric == "single":
            names = ["s1"]
            links = [(f"b{i}", UPLINK, "s1", i) for i in numbers]
        else:
            leaves = [f"leaf{k}" for k in range(1, (self.nodes + 1) // 2 + 1)]
            names = [*leaves, "spine1", "spine2"]
            links = [(f"b{i}", UPLINK, leaves[(i - 1) // 2], 10 + i) for i in numbers]
            links += [(leaf, s, f"spine{s}", k) for k, leaf in enumerate(leaves, 1) for s in (1, 2)]
        bridges = [
            {"name": f"b{i}", "dpid": i, "mac": mac("0a:77", i), "node": f"node{i}", "nodePort": NODE_PORT,
             "nodeMAC": host_mac(f"172.30.0.{i + 1}")}
            for i in numbers
        ]  # fmt: skip
        fabric = [
            {"name": n, "dpid": FABRIC_DPID + k, "mac": mac("0a:77", FABRIC_DPID + k)} for k, n in enumerate(names)
        ]
        if self.outside:
            above = [name for name in names if name.startswith("spine")] or names
            fabric.append({"name": "border", "dpid": BORDER_DPID, "mac": mac("0a:77", BORDER_DPID)})
            links += [("border", 2000 + k, name, 3001) for k, name in enumerate(above, 1)]
        return links, bridges + fabric

    @staticmethod
    def patch(here: str, port: int, there: str) -> list[str]:
        name, peer = f"{here}-{there}", f"{there}-{here}"
        return ["--", "add-port", here, name, "--", "set", "interface", name, "type=patch", f"options:peer={peer}",
                f"ofport_request={port}"]  # fmt: skip

    def _node(self, i: int) -> None:
        address = f"172.30.0.{i + 1}"
        self._attach(Host(f"node{i}", i, address, NODE_PORT, f"node-node{i}"), gateway="172.30.0.1")
        labels = {"topology.kubernetes.io/zone": f"zone{i}"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{i}", "labels": labels}}
        spec = {"podCIDR": f"10.244.{i}.0/24", "podCIDRs": [f"10.244.{i}.0/24"]}
        self.api.put({**node, "spec": spec, "status": {"addresses": [{"type": "InternalIP", "address": address}]}})

    def pod(self, name: str, node: int, number: int, host_ports: dict[str, int] | None = None, weight: int = 1) -> Host:
        """A pod with the number-th address of its node's podCIDR; namespace, port and object.

        `host_ports`, by protocol, lead to its port 8080.
        """
        address = f"10.244.{node}.{number}"
        host = Host(name, node, address, FIRST_POD_PORT + number, f"pod-{name}")
        self._attach(host, gateway=f"10.244.{node}.1")
        network = {"addresses": [address], "mac": host_mac(address), "port": host.port}
        annotations = {"podwire.dev/pod-network": json.dumps(network), "podwire.dev/weight": str(weight)}
        metadata = {"name": name, "namespace": "default", "uid": name, "annotations": annotations}
        ports = [{"containerPort": 8080, "protocol": p, "hostPort": n} for p, n in (host_ports or {}).items()]
        spec = {"nodeName": f"node{node}", "containers": [{"name": "main", "ports": ports}]}
        self.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
                      "status": {"phase": "Running", "podIP": address}})  # fmt: skip
        return host

    def _attach(self, host: Host, gateway: str) -> None:
        bridge = "border" if host.node == OUTSIDE else f"b{host.node}"
        outside = f"{bridge}p{host.port}"
        inside = ["ip", "-n", host.netns]
        run("ip", "netns", "add", host.netns)
        run("ip", "link", "add", "eth0", "netns", host.netns, "type", "veth", "peer", "name", outside)
        run("ip", "link", "set", outside, "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", "eth0", "address", host_mac(host.address), "up")
        run(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
        run(*inside, "route", "add", "default", "via", gateway)
        self.vsctl("add-port", bridge, outside, "--", "set", "interface", outside,
            f"ofport_request={host.port}")  # fmt: skip
        self.hosts[host.name] = host

    def service(
        self,
        name: str,
        address: str,
        ports: dict[int, str],
        endpoints: list[tuple[str, int]],
        node_ports: dict[int, int] | None = None,
        annotations: dict[str, str] | None = None,
        ingress: str = "",
        **spec: Any,
    ) -> None:
        """A Service; `ports` as `{80: "TCP"}`, `node_ports` as `{80: 30080}`; every port leads to all endpoints.

        `ingress` is its load balancer's address.
        """
        metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
        declared = [
            {"name": f"p{number}", "port": number, "protocol": kind, "nodePort": (node_ports or {}).get(number)}
            for number, kind in ports.items()
        ]
        kind = "LoadBalancer" if ingress else "NodePort" if node_ports else "ClusterIP"
        spec = {"type": kind, "clusterIP": address, "clusterIPs": [address], "ports": declared, **spec}
        status = {"loadBalancer": {"ingress": [{"ip": ingress}]}} if ingress else {}
        self.api.put({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status})
        for number in sorted({port for _, port in endpoints}):
            self.slice(name, number, ports, [address for address, port in endpoints if port == number])
        if not endpoints:
            self.slice(name, 0, ports, [])

    def slice(
        self,
        service: str,
        number: int,
        ports: dict[int, str],
        addresses: list[str],
        *,
        ready: bool = True,
        zones: dict[str, str] | None = None,
    ) -> None:
        """An EndpointSlice of a Service, with endpoints that are all ready, or all serve while they end.

        `zones` are hints, by address.
        """
        labels = {"kubernetes.io/service-name": service}
        metadata = {"name": f"{service}-{number}", "namespace": "default", "labels": labels}
        declared = [{"name": f"p{port}", "port": number, "protocol": kind} for port, kind in ports.items()]
        host_of = {host.address: host for host in self.hosts.values()}
        conditions = {"ready": ready, "serving": True, "terminating": not ready}
        endpoints = [
            {
                "addresses": [address],
                "conditions": conditions,
                **_whose(host_of.get(address)),
                "hints": {"forZones": [{"name": zones[address]}]} if zones else None,
            }
            for address in addresses
        ]
        self.api.put({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
                      "addressType": "IPv4", "ports": declared, "endpoints": endpoints})  # fmt: skip

    def start_controller(self) -> None:
        kubeconfig = self.api.kubeconfig(self.folder / "kubeconfig")
        argv = [self.python, "-m", "controller.app", "--kubeconfig", str(kubeconfig), "--listen", str(self.socket),
                "--switches", str(self.folder), "--framework", self.framework]  # fmt: skip
        with self.log.open("a") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.controller = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, text=True, env=environment)

    def stop_controller(self) -> None:
        if self.controller is not None:
            self.controller.kill()
            self.controller.wait()
            self.controller = None

    def vsctl(self, *arguments: str) -> str:
        assert self.switchd is not None
        return self.switchd.vsctl(*arguments)

    def bridges(self) -> list[str]:
        return self.vsctl("list-br").split()

    def management(self, bridge: str, kind: str = "mgmt") -> str:
        """Where a bridge answers others than its controller (`mgmt`), or repeats all it says to that (`snoop`)."""
        return f"unix:{self.folder / 'switchd' / bridge}.{kind}"

    def ofctl(self, command: str, bridge: str, *arguments: str) -> str:
        """Asked again where a busy machine was too slow for the greeting, which Open vSwitch waits for 5 s."""
        argv = ("ovs-ofctl", "-O", "OpenFlow14", command, self.management(bridge), *arguments)
        for _ in range(GREETINGS - 1):
            done = run(*argv, check=False)
            if done.returncode == 0:
                return done.stdout
        return run(*argv).stdout

    def settle(self) -> None:
        """Until Open vSwitch has done what it was asked for before, as forgetting what its datapath remembers."""
        run("ovs-appctl", "-t", str(self.folder / "switchd" / "ovs-vswitchd.ctl"), "version")

    def held(self) -> dict[str, tuple[str, str]]:
        """The flows and groups of every bridge, sorted, without what changes by itself."""
        return {
            bridge: (
                _sorted(self.ofctl("dump-flows", bridge, "--no-stats")),
                _sorted(self.ofctl("dump-groups", bridge)),
            )
            for bridge in self.bridges()
        }

    def snoop(self, bridge: str) -> subprocess.Popen[str]:
        """Every OpenFlow message between a bridge and its controller, as text; whoever starts it ends it."""
        argv = ["ovs-ofctl", "-O", "OpenFlow14", "snoop", self.management(bridge, "snoop")]
        environment = {**os.environ, "OVS_RUNDIR": str(self.folder)}
        return subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)

    def programmed(self, timeout_s: float = 90) -> None:
        """Wait until pods and nodes all reach the first node: the last thing to come."""
        hosts = list(self.hosts.values())
        assert wait_until(lambda: all(host.pings(hosts[0].address) for host in hosts), timeout_s), self.log.read_text()

    def stop(self) -> None:
        self.stop_controller()
        self.api.stop()
        for host in self.hosts.values():
            if host.talker is not None:
                host.talker.kill()
                host.talker.communicate()
            run("ip", "netns", "del", host.netns, check=False)
        if self.switchd is not None:
            self.switchd.stop()


def _whose(host: Host | None) -> dict[str, Any]:
    """An endpoint's node, and its pod."""
    if host is None:
        return {}
    pod = (
        {"targetRef": {"kind": "Pod", "namespace": "default", "name": host.name}} if host.port >= FIRST_POD_PORT else {}
    )
    return {"nodeName": f"node{host.node}", **pod}
