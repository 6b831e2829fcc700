"""The cluster as the oracle sees it: pods, namespaces and nodes by label and address, from raw JSON objects. Pure.

Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ for selectors (an empty one selects
everything; `NotIn` holds where the label is absent), and the documentation of the core/v1 types for the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from experiments.policy.oracle_verdict import Address, NodePlace, Place, PodPlace

Raw = dict[str, Any]
IP = IPv4Address | IPv6Address
NAMESPACE_NAME = "kubernetes.io/metadata.name"  # a label that every namespace has
FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, eq=False)
class End:
    """One end of a connection, as policies see it."""

    pod: PodPlace | None  # None for hostNetwork pods: they are their node
    node: str  # the node that it is on or that it is; "" outside
    address: IP | None
    ports: Mapping[tuple[str, str], frozenset[int]]  # numbers by name and protocol


def selects(selector: Raw, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector object selects what has these labels."""
    equal = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Raw, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"no such operator: {operator}")


class World:
    """Who is in the cluster. Finished pods are not, and hostNetwork pods are so as their nodes only."""

    def __init__(self, objects: Iterable[Raw]) -> None:
        self._pods: dict[PodPlace, Raw] = {}
        self._nodes: dict[str, Raw] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        for raw in objects:
            self._add(raw)
        self._ends: dict[tuple[Place, bool], End] = {}
        self._by_address: dict[IP, Place] = {}
        for node, raw in self._nodes.items():
            for address in _node_addresses(raw):
                self._by_address[address] = NodePlace(node)
        for place, raw in self._pods.items():
            for address in _pod_addresses(raw):
                self._by_address[address] = place

    def _add(self, raw: Raw) -> None:
        metadata = raw["metadata"]
        name, labels = metadata["name"], metadata.get("labels") or {}
        match raw["kind"]:
            case "Pod" if (raw.get("status") or {}).get("phase") not in FINISHED:
                self._pods[PodPlace(metadata["namespace"], name)] = raw
            case "Node":
                self._nodes[name] = raw
            case "Namespace":
                self._namespaces[name] = {**labels, NAMESPACE_NAME: name}

    def pods(self, pod_selector: Raw, *, namespace: str = "", namespace_selector: Raw | None = None) -> set[PodPlace]:
        """The pods of one namespace, or of those selected, that have the labels. Never hostNetwork pods."""
        return {
            place
            for place, raw in self._pods.items()
            if not _in_host_network(raw)
            and (
                place.namespace == namespace
                if namespace_selector is None
                else selects(namespace_selector, self._namespace(place.namespace))
            )
            and selects(pod_selector, raw["metadata"].get("labels") or {})
        }

    def nodes(self, selector: Raw) -> set[str]:
        """The names of the nodes that have the labels."""
        return {name for name, raw in self._nodes.items() if selects(selector, raw["metadata"].get("labels") or {})}

    def _namespace(self, name: str) -> Mapping[str, str]:
        return self._namespaces.get(name) or {NAMESPACE_NAME: name}

    def source(self, place: Place) -> End:
        """Where a connection comes from. A node's address alone does not make it the node: an outside client's
        connection through a node port comes from that address, too. Raises LookupError for who is not there."""
        return self._end(place, is_target=False)

    def target(self, place: Place) -> End:
        """Where a connection goes to: a node's address leads to that node. Raises LookupError for who is not there."""
        return self._end(place, is_target=True)

    def _end(self, place: Place, *, is_target: bool) -> End:
        found = self._ends.get((place, is_target))
        if found is None:
            found = self._ends[place, is_target] = self._resolve(place, is_target)
        return found

    def _resolve(self, place: Place, is_target: bool) -> End:
        match place:
            case Address():
                address = ip_address(place.text)
                owner = self._by_address.get(address)
                if isinstance(owner, PodPlace) or (owner is not None and is_target):
                    return self._end(owner, is_target=is_target)
                return End(None, "", address, {})
            case NodePlace():
                return self._node(place.name)
            case PodPlace():
                return self._pod(place)

    def _node(self, name: str) -> End:
        if name not in self._nodes:
            raise LookupError(f"no node {name}")
        addresses = _node_addresses(self._nodes[name])
        return End(None, name, addresses[0] if addresses else None, {})

    def _pod(self, place: PodPlace) -> End:
        raw = self._pods.get(place)
        if raw is None:
            raise LookupError(f"no pod {place}, or it has finished")
        node = raw["spec"].get("nodeName") or ""
        if _in_host_network(raw):
            return self._end(NodePlace(node), is_target=True)
        addresses = _pod_addresses(raw)
        return End(place, node, addresses[0] if addresses else None, _named_ports(raw))


def _in_host_network(pod: Raw) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def _pod_addresses(pod: Raw) -> list[IP]:
    """The primary one first; none for hostNetwork pods, whose addresses are their node's."""
    status = pod.get("status") or {}
    texts = [status.get("podIP"), *(entry.get("ip") for entry in status.get("podIPs") or ())]
    return [] if _in_host_network(pod) else [ip_address(text) for text in texts if text]


def _node_addresses(node: Raw) -> list[IP]:
    """Host names are addresses of nodes, too, but not of packets."""
    entries = (node.get("status") or {}).get("addresses") or ()
    return [ip_address(entry["address"]) for entry in entries if entry["type"] in ("InternalIP", "ExternalIP")]


def _named_ports(pod: Raw) -> dict[tuple[str, str], frozenset[int]]:
    found: dict[tuple[str, str], frozenset[int]] = {}
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name"):
                key = port["name"], port.get("protocol") or "TCP"
                found[key] = found.get(key, frozenset()) | {int(port["containerPort"])}
    return found
