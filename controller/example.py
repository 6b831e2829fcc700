"""A small cluster with something of everything, for the pipeline's page. Pure."""

from __future__ import annotations

from k8sshim.cluster import Cluster, Link, Switch, SwitchPort
from k8sshim.objects import Endpoint, EndpointPort, EndpointSlice, Key, Node, Pod, PodNetwork, Service, ServicePort

from .desired import View

Objects = list[tuple[str, Key, View]]


def objects() -> Objects:
    """Two nodes on one fabric switch, a pod each, a Service with an endpoint and one without."""
    return [("Cluster", Key("", "example"), _cluster()), *_nodes_and_pods(), *_services()]


def _cluster() -> Cluster:
    bridges = [Switch(f"b{i}", i, f"0a:77:00:00:00:0{i}", f"node{i}", 1, f"0a:58:ac:1e:00:0{i + 1}") for i in (1, 2)]
    fabric = Switch("s1", 0x10001, "0a:77:00:01:00:01", "", 0, "")
    links = tuple(Link(SwitchPort(f"b{i}", 2), SwitchPort("s1", i)) for i in (1, 2))
    ranges = (("10.244.0.0/16",), ("10.96.0.0/12",), ("172.30.0.0/24",))
    return Cluster("example", *ranges, 1500, (*bridges, fabric), links)


def _nodes_and_pods() -> Objects:
    found: Objects = []
    for i in (1, 2):
        node = Node(f"node{i}", (), (), False, True, (f"172.30.0.{i + 1}",), (f"10.244.{i}.0/24",))
        network = PodNetwork((f"10.244.{i}.2",), f"0a:58:0a:f4:0{i}:02", 18)
        key = Key("default", f"pod{i}")
        pod = Pod(key, key.name, (), node.name, network, False, "Running", network.addresses[0], True, False, ())
        found += [("Node", Key("", node.name), node), ("Pod", key, pod)]
    return found


def _services() -> Objects:
    found: Objects = []
    for name, address in (("web", "10.96.0.10"), ("empty", "10.96.0.11")):
        key, ports = Key("default", name), (ServicePort("http", "TCP", 80, 8080, 0),)
        found.append(("Service", key, Service(key, "ClusterIP", (address,), ports, (), False)))
    endpoint = Endpoint(("10.244.2.2",), True, True, False, "node2", Key("default", "pod2"))
    key, slice_ports = Key("default", "web-1"), (EndpointPort("http", "TCP", 8080),)
    found.append(("EndpointSlice", key, EndpointSlice(key, Key("default", "web"), "IPv4", (endpoint,), slice_ports)))
    return found
