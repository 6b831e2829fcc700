"""The nodes of a cluster description: a number of them, or a list with names, labels, taints and so on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from k8sshim import names
from k8sshim.objects import Labels, Raw, Taint, labels_of

from .addressing import IPNetwork, parse_network
from .fields import Fields, alternatives, is_integer
from .link_spec import PLAIN, LinkSpec, parse_link

MAX_NODES = 1000
MAX_UPLINKS = 14  # ports 2 to 15 of a node bridge
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class NodeSpec:
    """A node as it was asked for."""

    name: str
    labels: Labels = ()
    taints: tuple[Taint, ...] = ()
    pod_cidrs: tuple[IPNetwork, ...] = ()  # empty: the plan chooses
    uplinks: tuple[str, ...] = ()  # the switches that it hangs on; empty: those that the fabric chooses
    uplink_specs: tuple[LinkSpec, ...] = ()  # of each of those; empty: none says what it is like

    def to_raw(self) -> Raw:
        raw: Raw = {"name": self.name}
        if self.labels:
            raw["labels"] = dict(self.labels)
        if self.taints:
            raw["taints"] = [{"key": t.key, "value": t.value, "effect": t.effect} for t in self.taints]
        if self.pod_cidrs:
            raw["podCIDR"] = str(self.pod_cidrs[0])
        if self.uplinks:
            specs = self.uplink_specs or (PLAIN,) * len(self.uplinks)
            raw["uplinks"] = [
                {"switch": name, **like.to_raw()} if like != PLAIN else name
                for name, like in zip(self.uplinks, specs, strict=True)
            ]
        return raw


def default_nodes(number: int) -> tuple[NodeSpec, ...]:
    """node1, node2, ..."""
    return tuple(NodeSpec(f"node{index}") for index in range(1, number + 1))


def parse_nodes(spec: Fields, default: int) -> tuple[NodeSpec, ...]:
    """The field `nodes`; the default number of nodes where it is absent or, with a problem, unusable."""
    value = spec.take("nodes")
    if value is None:
        return default_nodes(default)
    if not is_integer(value) and not isinstance(value, list):
        spec.wrong("nodes", f"must be a number of nodes or a list of nodes, not {value!r}")
        return default_nodes(default)
    number = len(value) if isinstance(value, list) else value
    if not 1 <= number <= MAX_NODES:
        spec.wrong("nodes", f"a cluster has from 1 to {MAX_NODES} nodes, not {number}")
        return default_nodes(default)
    return _parse_list(spec, value) if isinstance(value, list) else default_nodes(value)


def _parse_list(spec: Fields, items: list[Any]) -> tuple[NodeSpec, ...]:
    nodes: list[NodeSpec] = []
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        fields = Fields(item, f"{spec.path}.nodes[{index}]", spec.problems)
        node = _parse_node(fields)
        if node.name in first:
            fields.wrong("name", f"{node.name!r} is the name of {spec.path}.nodes[{first[node.name]}] already")
        elif node.name:
            first[node.name] = index
        nodes.append(node)
    return tuple(nodes)


def _parse_node(node: Fields) -> NodeSpec:
    if not node.sound:
        return NodeSpec("")
    parsed = NodeSpec(
        _parse_name(node),
        _parse_labels(node.fields("labels")),
        _parse_taints(node),
        _parse_pod_cidrs(node),
        *_parse_uplinks(node),
    )
    node.close()
    return parsed


def _parse_name(node: Fields) -> str:
    name = node.required("name") or ""
    if len(name) > 63:
        node.wrong("name", f"must have at most 63 characters, not {len(name)}")
    elif name and names.dns_subdomain(name):
        node.wrong("name", f"{name!r} is not a DNS name: lower case letters, digits, '-' and, between its parts, '.'")
    return name


def _parse_labels(labels: Fields) -> Labels:
    good = {}
    for key, value in labels.raw.items():
        if not isinstance(key, str) or names.qualified_name(key):
            labels.problems.add(labels.path, f"{key!r} is not a label key")
        elif not isinstance(value, str) or names.label_value(value):
            labels.wrong(
                key, f"{value!r} is not a label value: a string of at most 63 letters, digits, '-', '_' and '.'"
            )
        else:
            good[key] = value
    return labels_of(good)


def _parse_taints(node: Fields) -> tuple[Taint, ...]:
    taints = []
    for index, item in enumerate(node.items("taints")):
        fields = Fields(item, f"{node.at('taints')}[{index}]", node.problems)
        if not fields.sound:
            continue
        key = fields.required("key")
        if key is not None and names.qualified_name(key):
            fields.wrong("key", f"{key!r} is not a taint key")
        value = fields.text("value", "") or ""
        if names.label_value(value):
            fields.wrong("value", f"{value!r} is not a taint value: at most 63 letters, digits, '-', '_' and '.'")
        effect = fields.required("effect")
        if effect is not None and effect not in EFFECTS:
            fields.wrong("effect", f"must be {alternatives(EFFECTS)}, not {effect!r}")
        fields.close()
        taints.append(Taint(key or "", value, effect or ""))
    return tuple(taints)


def _parse_pod_cidrs(node: Fields) -> tuple[IPNetwork, ...]:
    text = node.text("podCIDR")
    if text is None:
        return ()
    try:
        return (parse_network(text),)
    except ValueError as error:
        node.wrong("podCIDR", str(error))
        return ()


def _parse_uplinks(node: Fields) -> tuple[tuple[str, ...], tuple[LinkSpec, ...]]:
    """The names of switches, and what the links to them are like; whether the fabric has those is seen with it."""
    found: dict[str, LinkSpec] = {}
    first: dict[str, str] = {}
    for index, item in enumerate(node.items("uplinks")):
        field = f"uplinks[{index}]"
        fields = Fields({"switch": item} if isinstance(item, str) else item, node.at(field), node.problems)
        name, like = fields.required("switch"), parse_link(fields)
        fields.close()
        if name is None:
            continue
        if name in found:
            node.wrong(field, f"{name!r} is {node.at(first[name])} already")
        first.setdefault(name, field)
        found[name] = like
    if len(found) > MAX_UPLINKS:
        node.wrong("uplinks", f"at most {MAX_UPLINKS} uplinks, not {len(found)}")
    return tuple(found), tuple(found.values()) if any(one != PLAIN for one in found.values()) else ()
