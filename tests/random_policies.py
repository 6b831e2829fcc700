"""Random clusters with policies of every kind, as the API's JSON: small worlds where labels, names and ranges collide.

Everything is drawn from few values, so that selectors hit, ranges overlap, and named ports mean different numbers. The
API's own rules hold: what these strategies give would be accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network
from typing import Any, Concatenate, ParamSpec, TypeVar

from hypothesis import strategies as st

Raw = dict[str, Any]
NAMESPACES, NODES = ("x", "y", "z"), ("node1", "node2")
LABELS, VALUES = ("app", "tier"), ("a", "b", "c")
PORTS = {"TCP": (80, 81, 8080), "UDP": (53, 80), "SCTP": (80, 90)}
PORT_NAMES = {"TCP": ("http", "admin"), "UDP": ("dns",), "SCTP": ("sig",)}
OUTSIDE = "203.0.113.2"
API = "policy.networking.k8s.io"
KINDS_OF_PODS = ("usual",) * 8 + ("host", "finished")  # those in their node's network, and ended ones, now and then
P, T = ParamSpec("P"), TypeVar("T")


def composite(define: Callable[Concatenate[st.DrawFn, P], T]) -> Callable[P, st.SearchStrategy[T]]:
    """As `st.composite`, made once for the same arguments: to make a strategy takes longer than to draw from it."""
    return lru_cache(1000)(st.composite(define))


among = lru_cache(1000)(st.sampled_from)
labels = st.dictionaries(among(LABELS), among(VALUES), max_size=2)


@dataclass(frozen=True)
class World:
    """Objects as the API has them."""

    namespaces: tuple[Raw, ...]
    nodes: tuple[Raw, ...]
    pods: tuple[Raw, ...]
    policies: tuple[Raw, ...]

    @property
    def objects(self) -> tuple[Raw, ...]:
        return (*self.namespaces, *self.nodes, *self.pods, *self.policies)


def named(kind: str, api_version: str, name: str, **metadata: Any) -> Raw:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


@composite
def selectors(draw: st.DrawFn) -> Raw:
    """A LabelSelector, empty ones among them."""
    raw: Raw = {}
    if matched := draw(st.one_of(st.just({}), labels)):
        raw["matchLabels"] = matched
    if draw(st.integers(0, 3)) == 0:
        operator = draw(among(("In", "NotIn", "Exists", "DoesNotExist")))
        entry: Raw = {"key": draw(among(LABELS)), "operator": operator}
        if operator in ("In", "NotIn"):
            entry["values"] = draw(st.lists(among(VALUES), min_size=1, max_size=2, unique=True))
        raw["matchExpressions"] = [entry]
    return raw


@lru_cache
def namespace_selectors() -> st.SearchStrategy[Raw]:
    by_name = among(NAMESPACES).map(lambda name: {"matchLabels": {"kubernetes.io/metadata.name": name}})
    return st.one_of(selectors(), by_name)


def addresses_of(pods: tuple[Raw, ...]) -> tuple[str, ...]:
    return tuple(pod["status"]["podIP"] for pod in pods)


@composite
def ranges(draw: st.DrawFn, addresses: tuple[str, ...]) -> str:
    """A range that has something to do with the cluster, or with what is outside."""
    near = [f"{address}/{length}" for address in addresses for length in (32, 31, 30)]
    wide = ["0.0.0.0/0", "10.0.0.0/8", "10.244.0.0/16", "10.244.1.0/24", "10.244.2.0/24", "172.30.0.0/24"]
    text = draw(among((*wide, "172.30.0.2/32", "172.30.0.3/32", "203.0.113.0/24", *near)))
    return str(IPv4Network(text, strict=False))


@composite
def blocks(draw: st.DrawFn, addresses: tuple[str, ...]) -> Raw:
    """A block; what is excepted lies in it and is smaller."""
    cidr = draw(ranges(addresses))
    inner = [one for one in draw(st.lists(ranges(addresses), max_size=3)) if one != cidr and _within(one, cidr)]
    return {"cidr": cidr, **({"except": inner} if inner else {})}


def _within(inner: str, outer: str) -> bool:
    return IPv4Network(inner).subnet_of(IPv4Network(outer))


@composite
def ports(draw: st.DrawFn) -> Raw:
    """A NetworkPolicyPort."""
    protocol = draw(among(("TCP", "TCP", "UDP", "SCTP")))
    kind = draw(among(("number", "number", "range", "name", "protocol")))
    raw: Raw = {} if protocol == "TCP" and draw(st.booleans()) else {"protocol": protocol}
    if kind == "name":
        raw["port"] = draw(among(PORT_NAMES[protocol]))
    elif kind != "protocol":
        raw["port"] = draw(among(PORTS[protocol]))
        if kind == "range":
            raw["endPort"] = draw(among((raw["port"], raw["port"] + 1, 8081, 65535)))
    return raw


@composite
def peers(draw: st.DrawFn, addresses: tuple[str, ...]) -> Raw:
    """A NetworkPolicyPeer."""
    kind = draw(among(("pods", "namespaces", "both", "block")))
    if kind == "block":
        return {"ipBlock": draw(blocks(addresses))}
    raw: Raw = {}
    if kind in ("pods", "both"):
        raw["podSelector"] = draw(selectors())
    if kind in ("namespaces", "both"):
        raw["namespaceSelector"] = draw(namespace_selectors())
    return raw


@composite
def rules(draw: st.DrawFn, peer_field: str, addresses: tuple[str, ...]) -> Raw:
    """An ingress or egress rule: lists may be absent, empty or full."""
    raw: Raw = {}
    for field, one in ((peer_field, peers(addresses)), ("ports", ports())):
        kind = draw(among(("absent", "some", "some")))
        if kind == "some":
            raw[field] = draw(st.lists(one, max_size=2))
    return raw


@composite
def network_policies(draw: st.DrawFn, number: int, addresses: tuple[str, ...]) -> Raw:
    """A NetworkPolicy, its policyTypes given or left to the default."""
    spec: Raw = {"podSelector": draw(selectors())}
    for field, peer_field in (("ingress", "from"), ("egress", "to")):
        if draw(st.booleans()):
            spec[field] = draw(st.lists(rules(peer_field, addresses), max_size=2))
    if draw(st.booleans()):
        spec["policyTypes"] = list(draw(among((("Ingress",), ("Egress",), ("Ingress", "Egress")))))
    namespace = draw(among(NAMESPACES))
    return named("NetworkPolicy", "networking.k8s.io/v1", f"policy-{number}", namespace=namespace) | {"spec": spec}


@composite
def admin_ports(draw: st.DrawFn) -> Raw:
    """An AdminNetworkPolicyPort of v1alpha1."""
    kind = draw(among(("portNumber", "portRange", "namedPort")))
    protocol = draw(among(("TCP", "UDP", "SCTP")))
    if kind == "namedPort":
        return {"namedPort": draw(among(tuple(name for names in PORT_NAMES.values() for name in names)))}
    first = draw(among(PORTS[protocol]))
    if kind == "portNumber":
        return {"portNumber": {"protocol": protocol, "port": first}}
    last = draw(among((first, first + 1, 8081)))
    return {"portRange": {"protocol": protocol, "start": first, "end": max(first, last)}}


@composite
def admin_subjects(draw: st.DrawFn) -> Raw:
    """Pods by namespace, or by both selectors."""
    if draw(st.booleans()):
        return {"namespaces": draw(namespace_selectors())}
    return {"pods": {"namespaceSelector": draw(namespace_selectors()), "podSelector": draw(selectors())}}


@composite
def admin_peers(draw: st.DrawFn, egress: bool, addresses: tuple[str, ...]) -> Raw:
    """Pods; towards others also nodes and ranges."""
    kind = draw(among(("pods", "pods", "nodes", "networks") if egress else ("pods",)))
    if kind == "nodes":
        return {"nodes": draw(selectors())}
    if kind == "networks":
        return {"networks": draw(st.lists(ranges(addresses), min_size=1, max_size=2, unique=True))}
    return draw(admin_subjects())


@composite
def admin_rules(draw: st.DrawFn, egress: bool, actions: tuple[str, ...], addresses: tuple[str, ...]) -> Raw:
    """A rule of an administrator's policy."""
    some = draw(st.lists(admin_peers(egress, addresses), min_size=1, max_size=2))
    raw: Raw = {"action": draw(among(actions)), "to" if egress else "from": some}
    if draw(st.booleans()):
        raw["ports"] = draw(st.lists(admin_ports(), min_size=1, max_size=2))
    return raw


@composite
def admin_specs(draw: st.DrawFn, actions: tuple[str, ...], addresses: tuple[str, ...]) -> Raw:
    """Subject and rules of both directions."""
    spec: Raw = {"subject": draw(admin_subjects())}
    for field in ("ingress", "egress"):
        if draw(st.booleans()):
            spec[field] = draw(st.lists(admin_rules(field == "egress", actions, addresses), min_size=1, max_size=3))
    return spec


@composite
def admin_policies(draw: st.DrawFn, addresses: tuple[str, ...]) -> list[Raw]:
    """AdminNetworkPolicies of different priorities, and perhaps the baseline."""
    priorities = draw(st.lists(among((0, 1, 50, 1000)), max_size=2, unique=True))
    found = [
        named("AdminNetworkPolicy", f"{API}/v1alpha1", f"admin-{priority}")
        | {"spec": {"priority": priority, **draw(admin_specs(("Allow", "Deny", "Pass"), addresses))}}
        for priority in priorities
    ]
    if draw(st.booleans()):
        baseline = named("BaselineAdminNetworkPolicy", f"{API}/v1alpha1", "default")
        found.append(baseline | {"spec": draw(admin_specs(("Allow", "Deny"), addresses))})
    return found


@composite
def pods(draw: st.DrawFn, number: int, kinds: tuple[str, ...]) -> Raw:
    """A pod with a few named ports."""
    node = number % len(NODES) + 1
    declared = [
        {"name": name, "containerPort": draw(among(PORTS[protocol])), "protocol": protocol}
        for protocol, names in PORT_NAMES.items()
        for name in names
        if draw(st.booleans())
    ]
    kind = draw(among(kinds))
    address = f"172.30.0.{node + 1}" if kind == "host" else f"10.244.{node}.{number + 2}"
    metadata = {"namespace": draw(among(NAMESPACES)), "labels": draw(labels), "uid": f"pod-{number}"}
    spec = {"nodeName": f"node{node}", "containers": [{"name": "c", "image": "none", "ports": declared}]}
    if kind == "host":
        spec["hostNetwork"] = True
    phase = "Succeeded" if kind == "finished" else "Running"
    status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]}
    return named("Pod", "v1", f"pod-{number}", **metadata) | {"spec": spec, "status": status}


@composite
def worlds(draw: st.DrawFn, *, fewest: int = 2, most: int = 5, kinds: tuple[str, ...] = KINDS_OF_PODS) -> World:
    """A whole cluster, with so many pods of these kinds."""
    namespaces = tuple(
        named("Namespace", "v1", name, labels={**draw(labels), "kubernetes.io/metadata.name": name})
        for name in NAMESPACES
    )
    nodes = tuple(
        named("Node", "v1", name, labels=draw(labels))
        | {"status": {"addresses": [{"type": "InternalIP", "address": f"172.30.0.{number + 1}"}]}}
        for number, name in enumerate(NODES, 1)
    )
    some = tuple(draw(pods(number, kinds)) for number in range(draw(st.integers(fewest, most))))
    addresses = addresses_of(some)
    policies = [draw(network_policies(number, addresses)) for number in range(draw(st.integers(0, 4)))]
    policies += draw(admin_policies(addresses)) if draw(st.booleans()) else []
    return World(namespaces, nodes, some, tuple(policies))
