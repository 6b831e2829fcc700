"""Which switches nodes and border hang on, and which rack and zone that puts a node into. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sshim import names
from k8sshim.objects import Labels, labels_of

from .fabric_graph import Graph, graph_of
from .fabric_spec import GRAPH, SINGLE, Fabric, Rack, fabric_fields, parse_shape
from .fields import Fields
from .nodes import MAX_UPLINKS, NodeSpec

ZONE_LABEL = "topology.kubernetes.io/zone"  # https://kubernetes.io/docs/reference/labels-annotations-taints/
RACK_LABEL = "podwire.dev/rack"


def parse_fabric(spec: Fields, nodes: Sequence[NodeSpec]) -> Fabric:
    """The field `fabric`, checked together with the switches that nodes name."""
    fields = fabric_fields(spec)
    fabric = parse_shape(fields, len(nodes))
    if fabric is None:
        return SINGLE
    graph = graph_of(fabric)
    _check_nodes(spec, fabric, graph, nodes)
    parsed = replace(
        fabric,
        uplinks=_parse_uplinks(fields, fabric, graph),
        border=_known(fields, "border", graph.switches),
        racks=_parse_racks(fields, graph.switches),
    )
    fields.close()
    return parsed


def uplinks(fabric: Fabric, graph: Graph, nodes: Sequence[NodeSpec]) -> list[tuple[str, ...]]:
    """The switches that each node hangs on, its first uplink's first: those it names, or of the edge.

    Nodes fill the edge's switches in order, as racks are filled. With two uplinks, the first two share their nodes, the
    next two theirs, and so on.
    """
    edge = graph.edge
    homes = [index * len(edge) // len(nodes) for index in range(len(nodes))]
    return [node.uplinks or _usual(edge, home, fabric.uplinks) for node, home in zip(nodes, homes, strict=True)]


def _usual(edge: Sequence[str], home: int, number: int) -> tuple[str, ...]:
    start = min(home - home % number, len(edge) - number)
    together = edge[start : start + number]
    return (edge[home], *(name for name in together if name != edge[home]))


def labels(fabric: Fabric, hangs_on: Sequence[str]) -> Labels:
    """What a node's place says of it: rack and zone of its first switch, which is a rack of its own if in none."""
    if fabric.shape == "single" and not fabric.racks:
        return ()
    rack = next((rack for rack in fabric.racks if hangs_on[0] in rack.switches), Rack(hangs_on[0], ()))
    return labels_of({RACK_LABEL: rack.name} | ({ZONE_LABEL: rack.zone} if rack.zone else {}))


def _check_nodes(spec: Fields, fabric: Fabric, graph: Graph, nodes: Sequence[NodeSpec]) -> None:
    if fabric.shape == GRAPH and not isinstance(spec.raw.get("nodes"), list):
        spec.wrong("nodes", "must be a list in a graph: each node names the switches it hangs on in `uplinks`")
        return
    for index, node in enumerate(nodes):
        field = f"nodes[{index}].uplinks"
        if fabric.shape == GRAPH and not node.uplinks:
            spec.wrong(field, "is required in a graph: the switches that the node hangs on")
        for place, name in enumerate(node.uplinks):
            if name not in graph.switches:
                spec.wrong(f"{field}[{place}]", f"{name!r} is no switch of the fabric")


def _parse_uplinks(fields: Fields, fabric: Fabric, graph: Graph) -> int:
    if fabric.shape != GRAPH:
        return fields.integer("uplinks", 1, 1, min(len(graph.edge), MAX_UPLINKS))
    if fields.take("uplinks") is not None:
        fields.wrong("uplinks", "has no meaning in a graph: there each node names the switches it hangs on")
    return 1


def _known(fields: Fields, field: str, switches: Sequence[str]) -> tuple[str, ...]:
    """A list of the fabric's switches, each once."""
    found: dict[str, str] = {}
    for path, name in fields.texts(field):
        if name not in switches:
            fields.wrong(path, f"{name!r} is no switch of the fabric")
        elif name in found:
            fields.wrong(path, f"{name!r} is {fields.at(found[name])} already")
        found.setdefault(name, path)
    return tuple(found)


def _parse_racks(fabric: Fields, switches: Sequence[str]) -> tuple[Rack, ...]:
    racks: list[Rack] = []
    for index, item in enumerate(fabric.items("racks")):
        fields = Fields(item, f"{fabric.at('racks')}[{index}]", fabric.problems)
        rack = Rack(_label(fields, "name"), _known(fields, "switches", switches), _label(fields, "zone"))
        fields.close()
        if fields.sound and not rack.name:
            fields.wrong("name", "is required")
        if fields.sound and not rack.switches:
            fields.wrong("switches", "is required: the switches whose nodes are in this rack")
        for other, before in enumerate(racks):
            if rack.name and rack.name == before.name:
                fields.wrong("name", f"{rack.name!r} is the name of {fabric.at('racks')}[{other}] already")
            for name in rack.switches:
                if name in before.switches:
                    fields.wrong("switches", f"{name!r} is in {fabric.at('racks')}[{other}] already")
        racks.append(rack)
    return tuple(racks)


def _label(fields: Fields, name: str) -> str:
    value = fields.text(name) or ""
    if names.label_value(value):
        fields.wrong(name, f"{value!r} is not a label value: at most 63 letters, digits, '-', '_' and '.'")
        return ""
    return value
