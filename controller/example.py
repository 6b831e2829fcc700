"""A small cluster with something of everything, for the pipeline's page. Pure."""

from __future__ import annotations

from k8sshim.cluster import OUTSIDE, Cluster, Host, Link, Overlay, Switch, SwitchPort
from k8sshim.objects import (
    ContainerPort,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Key,
    Node,
    Pod,
    PodNetwork,
    Service,
    ServicePort,
)
from k8sshim.policies import Action, Namespace, Peer, PodGroup, Policy, PolicyPort, Rule, Tier
from k8sshim.selectors import EVERYTHING

from .desired import View

Objects = list[tuple[str, Key, View]]


def objects() -> Objects:
    """Two nodes on one fabric switch, an overlay, a pod each, the outside host; Services, some empty; policies."""
    return [("Cluster", Key("", "example"), _cluster()), *_nodes_and_pods(), *_services(), *_policies()]


def _cluster() -> Cluster:
    bridges = [
        Switch(f"b{i}", i, f"0a:77:00:00:00:0{i}", f"node{i}", 1, f"0a:58:ac:1e:00:0{i + 1}", 60000) for i in (1, 2)
    ]
    fabric = Switch("s1", 0x10001, "0a:77:00:01:00:01", "", 0, "")
    border = Switch("border", 0x20001, "0a:77:00:02:00:01", "", 0, "")
    links = [Link(SwitchPort(f"b{i}", 2), SwitchPort("s1", i), mtu=1400) for i in (1, 2)]
    links.append(Link(SwitchPort("border", 2001), SwitchPort("s1", 3001)))
    outside, address = "203.0.113.0/24", "203.0.113.2"
    host = Host(OUTSIDE, "border", 1, "0a:58:cb:00:71:02", (address,), outside, "203.0.113.1")
    ranges = (("10.244.0.0/16",), ("10.96.0.0/12",), ("172.30.0.0/24",))
    return Cluster(
        "example", *ranges, 1450, (*bridges, fabric, border), tuple(links), (host,), (outside,),
        node_mtu=1500, overlay=Overlay("vxlan", 1350),
    )  # fmt: skip


def _nodes_and_pods() -> Objects:
    found: Objects = []
    for i in (1, 2):
        node = Node(f"node{i}", (), (), False, True, (f"172.30.0.{i + 1}",), (f"10.244.{i}.0/24",))
        network = PodNetwork((f"10.244.{i}.2",), f"0a:58:0a:f4:0{i}:02", 18)
        key = Key("default", f"pod{i}")
        ports = (ContainerPort("http", 8080, "TCP", host_port=8080),)
        pod = Pod(key, key.name, (), node.name, network, False, "Running", network.addresses[0], True, False, ports)
        found += [("Node", Key("", node.name), node), ("Pod", key, pod)]
    return found


def _services() -> Objects:
    found: Objects = []
    for place, (name, affinity_s, pods) in enumerate((("web", 0, (1, 2)), ("empty", 0, ()), ("shop", 600, (1, 2)))):
        key, ports = Key("default", name), (ServicePort("http", "TCP", 80, 8080, 0),)
        address = f"10.96.0.{10 + place}"
        service = Service(key, "ClusterIP", (address,), ports, (), False, "", ("198.51.100.1",), affinity_s=affinity_s)
        found.append(("Service", key, service))
        found.append(("EndpointSlice", Key("default", f"{name}-1"), _slice(key, pods)))
    return found


def _slice(service: Key, pods: tuple[int, ...]) -> EndpointSlice:
    endpoints = tuple(
        Endpoint((f"10.244.{i}.2",), True, True, False, f"node{i}", Key("default", f"pod{i}")) for i in pods
    )
    key, ports = Key(service.namespace, f"{service.name}-1"), (EndpointPort("http", "TCP", 8080),)
    return EndpointSlice(key, service, "IPv4", endpoints, ports)


def _policies() -> Objects:
    """A NetworkPolicy, and administrator's policies with a rule of each action."""
    pods = PodGroup("default", None, EVERYTHING)
    ports, peers = (PolicyPort("TCP", 80),), (Peer(pods=pods),)
    allow, deny, passes = (Rule(action, peers, ports) for action in (Action.ALLOW, Action.DENY, Action.PASS))
    everything = PodGroup("", EVERYTHING, EVERYTHING)
    policies = (
        Policy("NetworkPolicy", Key("default", "web"), "", Tier.NAMESPACE, 0, pods, (allow,), (allow,)),
        Policy("AdminNetworkPolicy", Key("", "guard"), "", Tier.ADMIN, 1, everything, (allow, passes), (deny,)),
        Policy("BaselineAdminNetworkPolicy", Key("", "default"), "", Tier.BASELINE, 0, everything, (deny,), (allow,)),
    )
    namespace = Namespace("default", ())
    return [("Namespace", Key("", "default"), namespace), *((one.kind, one.key, one) for one in policies)]
