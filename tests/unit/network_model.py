"""Clusters for the controller's tests: objects as views, the switches that hold their flows, and packets of pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from flow_interpreter import Arrival, Fabric, Fields, apply_twice, reply_to

from controller.desired import Changes, Desired, View
from controller.services import EVERY_NODE
from k8sshim.cluster import CONTROL_PLANE, OUTSIDE, Cluster, Link, Switch, SwitchPort
from k8sshim.cluster import Host as BorderHost
from k8sshim.objects import Endpoint, EndpointPort, EndpointSlice, Key, Node, Pod, PodNetwork, Service, ServicePort
from k8sshim.policies import Namespace, Policy

NODE_PORT, UPLINK, FIRST_POD_PORT = 1, 2, 16
FABRIC, BORDER = 0x10000, 0x20001
BORDER_PORT, BORDER_UPLINK = 3001, 2000  # of the switches above the border; of the border, less one
PROTOCOL_NUMBERS = {"TCP": (6, "tcp"), "UDP": (17, "udp"), "SCTP": (132, "sctp")}


def switch_mac(dpid: int) -> str:
    return "0a:77:" + ":".join(f"{byte:02x}" for byte in dpid.to_bytes(4, "big"))


def host_mac(address: str) -> str:
    return "0a:58:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def node_address(number: int) -> str:
    return f"172.30.0.{number + 1}"


def node_bridge(i: int) -> Switch:
    return Switch(f"b{i}", i, switch_mac(i), f"node{i}", NODE_PORT, host_mac(node_address(i)))


def cluster_of(nodes: int, leaves: int = 0, spines: int = 2) -> Cluster:
    """On one fabric switch; or with `leaves`, on so many of them, the nodes dealt out in turn, below `spines`."""
    bridges = [node_bridge(i) for i in range(1, nodes + 1)]
    names = (
        [f"leaf{k}" for k in range(1, leaves + 1)] + [f"spine{k}" for k in range(1, spines + 1)] if leaves else ["s1"]
    )
    fabric = [Switch(n, FABRIC + k, switch_mac(FABRIC + k), "", 0, "") for k, n in enumerate(names, 1)]
    above = [f"leaf{(i - 1) % leaves + 1}" if leaves else "s1" for i in range(1, nodes + 1)]
    links = [Link(SwitchPort(f"b{i}", UPLINK), SwitchPort(leaf, 100 + i)) for i, leaf in enumerate(above, 1)]
    links += [
        Link(SwitchPort(f"leaf{k}", s), SwitchPort(f"spine{s}", k))
        for k in range(1, leaves + 1)
        for s in range(1, spines + 1)
    ]
    ranges = (("10.244.0.0/16",), ("10.96.0.0/12",), ("172.30.0.0/24",))
    return Cluster("lab", *ranges, 1500, (*bridges, *fabric), tuple(links))


def bordered(cluster: Cluster) -> Cluster:
    """The same with the border switch, below its spines or its one fabric switch, and two hosts."""
    names = [switch.name for switch in cluster.switches if not switch.node]
    above = [name for name in names if name.startswith("spine")] or names
    border = Switch("border", BORDER, switch_mac(BORDER), "", 0, "")
    links = [
        Link(SwitchPort("border", BORDER_UPLINK + k), SwitchPort(name, BORDER_PORT)) for k, name in enumerate(above, 1)
    ]
    own, network = OUTSIDE_HOST, "203.0.113.0/24"
    hosts = (
        BorderHost(OUTSIDE, "border", own.port, own.mac, (own.address, "192.0.2.7"), network, "203.0.113.1"),
        BorderHost(
            CONTROL_PLANE, "border", CONTROL_PLANE_HOST.port, CONTROL_PLANE_HOST.mac, (CONTROL_PLANE_HOST.address,),
            "172.30.0.0/24", "172.30.0.1",
        ),
    )  # fmt: skip
    return replace(
        cluster,
        switches=(*cluster.switches, border),
        links=(*cluster.links, *links),
        hosts=hosts,
        outside_cidrs=(network, "192.0.2.7/32"),
        load_balancer_cidrs=("198.51.100.0/24",),
    )


def node(i: int) -> Node:
    return Node(f"node{i}", (), (), False, True, (node_address(i),), (f"10.244.{i}.0/24",))


def pod(name: str, on: int, number: int, phase: str = "Running") -> Pod:
    """The pod with the number-th address of a node's podCIDR."""
    address = f"10.244.{on}.{number}"
    network = PodNetwork((address,), host_mac(address), FIRST_POD_PORT + number)
    return Pod(Key("default", name), name, (), f"node{on}", network, False, phase, address, True, False, ())


def service(name: str, address: str, *ports: tuple[str, str, int]) -> Service:
    """`ports`: name, protocol, number."""
    declared = tuple(ServicePort(label, protocol, number, number, 0) for label, protocol, number in ports)
    return Service(Key("default", name), "ClusterIP", (address,), declared, (), False)


def endpoint(address: str, *, ready: bool = True, serving: bool = True, terminating: bool = False) -> Endpoint:
    return Endpoint((address,), ready, serving, terminating, "", None)


def endpoint_slice(
    of: str, endpoints: Iterable[Endpoint], *ports: tuple[str, str, int], number: int = 1
) -> EndpointSlice:
    declared = tuple(EndpointPort(*port) for port in ports)
    key = Key("default", f"{of}-{number}")
    return EndpointSlice(key, Key("default", of), "IPv4", tuple(endpoints), declared)


@dataclass(frozen=True)
class Host:
    """A pod or a node's own namespace, as it sends and receives."""

    dpid: int
    port: int
    address: str

    @property
    def mac(self) -> str:
        return host_mac(self.address)

    def packet(self, to: str, protocol: str = "TCP", port: int = 80, **other: object) -> Fields:
        """As its kernel sends it: to the MAC that ARP gave it."""
        number, prefix = PROTOCOL_NUMBERS[protocol]
        fields = {
            "eth_type": 0x0800, "eth_src": self.mac, "eth_dst": switch_mac(self.dpid), "ipv4_src": self.address,
            "ipv4_dst": to, "ip_proto": number, f"{prefix}_src": 40000, f"{prefix}_dst": port, "nw_ttl": 64,
        }  # fmt: skip
        return fields | other

    def ping(self, to: str, ttl: int = 64) -> Fields:
        fields = self.packet(to)
        kept = {name: value for name, value in fields.items() if not name.startswith("tcp_")}
        return kept | {"ip_proto": 1, "icmpv4_type": 8, "icmp_id": 7, "nw_ttl": ttl}


OUTSIDE_HOST = Host(BORDER, 1, "203.0.113.2")
CONTROL_PLANE_HOST = Host(BORDER, 2, "172.30.0.254")


def host_of(one: Pod) -> Host:
    assert one.network is not None
    return Host(int(one.node.removeprefix("node")), one.network.port, one.network.addresses[0])


def node_host(i: int) -> Host:
    return Host(i, NODE_PORT, node_address(i))


@dataclass
class Network:
    """The desired state and the switches that were sent its changes."""

    cluster: Cluster
    choose: Callable[[int], int] = lambda buckets: 0
    desired: Desired = field(default_factory=Desired)

    def __post_init__(self) -> None:
        self.fabric = Fabric(self.cluster, self.choose)

    def put(self, *views: View) -> None:
        """Objects as the API tells them, one after the other; what they change goes to the switches, twice."""
        for view in views:
            self._send(self.desired.put(*named(view), view))

    def remove(self, view: View) -> None:
        self._send(self.desired.put(*named(view), None))

    def lose(self, *down: Link) -> None:
        """Links die; the switches at their ends know, and nobody else."""
        numbers = {switch.name: switch.dpid for switch in self.cluster.switches}
        self.fabric.dead_ports = {(numbers[end.switch], end.port) for link in down for end in (link.a, link.b)}

    def reroute(self, *down: Link) -> None:
        """The controller has heard of it."""
        self._send(self.desired.lose(frozenset(down)))

    def _send(self, changes: Changes) -> None:
        for place, change in changes.items():
            for dpid in self.desired.node_bridges() if place == EVERY_NODE else [place]:
                apply_twice(self.fabric.switches[dpid], change)

    def send(self, host: Host, fields: Fields) -> list[Arrival]:
        return self.fabric.send(host.dpid, host.port, fields)

    def one(self, host: Host, fields: Fields) -> Arrival:
        """Where a packet comes out, which must be in one place."""
        arrivals = self.send(host, fields)
        assert len(arrivals) == 1, arrivals
        return arrivals[0]

    def reply(self, arrival: Arrival) -> Arrival:
        """Where the receiver's answer comes out."""
        mac = arrival.fields["eth_dst"]
        return self.one(Host(arrival.dpid, arrival.port, ""), reply_to(arrival, mac, switch_mac(arrival.dpid)))


def named(view: View) -> tuple[str, Key]:
    """How the controller is told of an object: kind and key."""
    key = Key("", view.name) if isinstance(view, Cluster | Node | Namespace) else view.key
    return view.kind if isinstance(view, Policy) else type(view).__name__, key


def network_of(
    nodes: int,
    *views: View,
    leaves: int = 0,
    choose: Callable[[int], int] = lambda buckets: 0,
    outside: bool = False,
) -> Network:
    """A cluster with its nodes, with a border if there is an outside, and these objects."""
    cluster = bordered(cluster_of(nodes, leaves)) if outside else cluster_of(nodes, leaves)
    network = Network(cluster, choose)
    network.put(cluster, *(node(i) for i in range(1, nodes + 1)), *views)
    return network
