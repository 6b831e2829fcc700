"""The field `fabric` of a cluster description: a shape with its sizes, or a graph written out. Pure.

`topo.fabric_graph` makes switches and links of it, `topo.attachment` hangs nodes and border on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from k8sshim.objects import Raw

from .fields import Fields, alternatives
from .link_spec import PLAIN, LinkSpec, parse_link

GRAPH = "graph"
Pair = tuple[str, str]  # the switches that a link joins
Sizes = dict[str, tuple[int, int, Callable[[int], int]]]  # name -> least, most, and the usual for a number of nodes

# A way through the fabric has fewer hops than the usual TTL, 64; so a line has at most 60 switches, a ring twice that.
SIZES: dict[str, Sizes] = {
    "single": {},
    "linear": {"switches": (2, 60, lambda nodes: nodes)},
    "ring": {"switches": (3, 120, lambda nodes: nodes)},
    "tree": {"depth": (1, 8, lambda _: 2), "fanout": (1, 64, lambda _: 2)},
    "leaf-spine": {"leaves": (1, 100, lambda nodes: max(2, -(-nodes // 16))), "spines": (1, 64, lambda _: 2)},
    "fat-tree": {"k": (2, 16, lambda _: 4)},
    GRAPH: {},
}
SHAPES = tuple(SIZES)
MAX_SWITCHES, MAX_LINKS = 500, 5000
SWITCH_NAME = re.compile(r"[a-z]([-a-z0-9]{0,13}[a-z0-9])?")
TAKEN = re.compile(r"[bn]\d+|border|host|cp|lo|ov|eth\d+|pod[0-9a-f]*")  # names of bridges, hosts and interfaces


@dataclass(frozen=True)
class Rack:
    """Switches whose nodes carry the rack's name, and its zone's, as labels."""

    name: str
    switches: tuple[str, ...]
    zone: str = ""  # "" for none

    def to_raw(self) -> Raw:
        raw: Raw = {"name": self.name, "switches": list(self.switches)}
        return raw | ({"zone": self.zone} if self.zone else {})


@dataclass(frozen=True)
class Fabric:
    """How node bridges are joined."""

    shape: str = "single"
    sizes: tuple[tuple[str, int], ...] = ()  # of the shape, by name
    switches: tuple[str, ...] = ()  # of a graph
    links: tuple[Pair, ...] = ()  # of a graph
    link_specs: tuple[LinkSpec, ...] = ()  # of each of those; empty: none says what it is like
    uplinks: int = 1  # of a node that does not name the switches it hangs on
    border: tuple[str, ...] = ()  # the switches that the border hangs on; empty: those that are usual for the shape
    racks: tuple[Rack, ...] = ()

    def size(self, name: str) -> int:
        """A size of the shape. Raises KeyError for one that it does not have."""
        return dict(self.sizes)[name]

    def to_raw(self) -> Raw:
        raw: Raw = {"shape": self.shape, **dict(self.sizes)}
        if self.shape == GRAPH:
            specs = self.link_specs or (PLAIN,) * len(self.links)
            links = [{"a": a, "b": b, **one.to_raw()} for (a, b), one in zip(self.links, specs, strict=True)]
            raw |= {"switches": list(self.switches), "links": links}
        if self.uplinks > 1:
            raw["uplinks"] = self.uplinks
        if self.border:
            raw["border"] = list(self.border)
        if self.racks:
            raw["racks"] = [rack.to_raw() for rack in self.racks]
        return raw


SINGLE = Fabric()


def fabric_fields(spec: Fields) -> Fields:
    """The field `fabric`, which may be the shape alone."""
    value = spec.take("fabric")
    if value is None or isinstance(value, str):
        value = {"shape": value}
    return Fields(value, spec.at("fabric"), spec.problems)


def parse_shape(fabric: Fields, nodes: int) -> Fabric | None:
    """The shape, its sizes, and a graph's switches and links; None where, with a problem, there can be none."""
    before = len(fabric.problems.found)
    shape = fabric.choice("shape", SHAPES, "single")
    if len(fabric.problems.found) > before:  # what fields another shape has is not for us to say
        return None
    switches, links = _parse_graph(fabric) if shape == GRAPH else ((), {})
    sizes = {
        name: fabric.integer(name, min(max(least, usual(nodes)), most), least, most)
        for name, (least, most, usual) in SIZES[shape].items()
    }
    _refuse_sizes_of_others(fabric, shape)
    _check_sizes(fabric, sizes)
    if len(fabric.problems.found) > before:
        return None
    specs = tuple(links.values()) if any(one != PLAIN for one in links.values()) else ()
    return Fabric(shape, tuple(sizes.items()), switches, tuple(links), specs)


def _refuse_sizes_of_others(fabric: Fields, shape: str) -> None:
    own = {*SIZES[shape], *(("switches", "links") if shape == GRAPH else ())}
    of: dict[str, list[str]] = {"links": [GRAPH]}
    for other, sizes in SIZES.items():
        for name in sizes:
            of.setdefault(name, []).append(other)
    of["switches"].append(GRAPH)
    for name, shapes in of.items():
        if name not in own and fabric.take(name) is not None:
            fabric.wrong(name, f"has a meaning for the shape {alternatives(shapes)} alone")


def _check_sizes(fabric: Fields, sizes: dict[str, int]) -> None:
    if sizes.get("k", 0) % 2:
        fabric.wrong("k", f"must be even, not {sizes['k']}: half of a switch's ports lead up, half down")
    if "depth" in sizes:
        switches = sum(sizes["fanout"] ** level for level in range(sizes["depth"]))
        if switches > MAX_SWITCHES:
            fabric.wrong("fanout", f"a tree of this depth has {switches} switches; at most {MAX_SWITCHES} can be")


def _parse_graph(fabric: Fields) -> tuple[tuple[str, ...], dict[Pair, LinkSpec]]:
    switches = _parse_switches(fabric)
    items = fabric.items("links")
    if len(items) > MAX_LINKS:
        fabric.wrong("links", f"at most {MAX_LINKS} links, not {len(items)}")
        return switches, {}
    first: dict[frozenset[str], int] = {}
    found: dict[Pair, LinkSpec] = {}
    whole = True
    for index, item in enumerate(items):
        link = Fields(item, f"{fabric.at('links')}[{index}]", fabric.problems)
        parsed = _parse_link(link, switches)
        if parsed is None:
            whole = False
            continue
        pair, like = parsed
        if (ends := frozenset(pair)) in first:
            before = f"{fabric.at('links')}[{first[ends]}]"
            fabric.problems.add(link.path, f"{pair[0]} and {pair[1]} are joined by {before} already")
        first.setdefault(ends, index)
        found[pair] = like
    if whole:
        _check_connected(fabric, switches, tuple(found))
    return switches, found


def _parse_switches(fabric: Fields) -> tuple[str, ...]:
    found: dict[str, str] = {}
    named = fabric.texts("switches")
    if not 1 <= len(named) <= MAX_SWITCHES:
        fabric.wrong("switches", f"a graph has from 1 to {MAX_SWITCHES} switches, each by its name, not {len(named)}")
        return ()
    for field, name in named:
        if not SWITCH_NAME.fullmatch(name):
            rule = "at most 15 lower case letters, digits and '-', the first a letter"
            fabric.wrong(field, f"{name!r} is not a switch's name: {rule}")
        elif TAKEN.fullmatch(name):
            fabric.wrong(field, f"{name!r} is a name that podwire gives itself")
        elif name in found:
            fabric.wrong(field, f"{name!r} is the name of {fabric.at(found[name])} already")
        found.setdefault(name, field)
    return tuple(found)


def _parse_link(link: Fields, switches: Sequence[str]) -> tuple[Pair, LinkSpec] | None:
    before = len(link.problems.found)
    a, b = link.required("a"), link.required("b")
    for field, name in (("a", a), ("b", b)):
        if name is not None and switches and name not in switches:
            link.wrong(field, f"{name!r} is no switch of the fabric")
    like = parse_link(link)
    link.close()
    if a is not None and a == b:
        link.problems.add(link.path, f"joins {a} to itself")
    return None if a is None or b is None or len(link.problems.found) > before else ((a, b), like)


def _check_connected(fabric: Fields, switches: Sequence[str], links: Sequence[Pair]) -> None:
    apart = _apart(switches, links)
    if apart:
        named = ", ".join(apart[:5]) + (f" and {len(apart) - 5} more" if len(apart) > 5 else "")
        fabric.wrong("links", f"the graph is not connected: no way leads from {switches[0]} to {named}")


def _apart(switches: Sequence[str], links: Sequence[Pair]) -> list[str]:
    """The switches that no way leads to from the first."""
    neighbours: dict[str, list[str]] = {name: [] for name in switches}
    for a, b in links:
        neighbours[a].append(b)
        neighbours[b].append(a)
    waiting = list(switches[:1])
    reached = set(waiting)
    while waiting:
        new = [name for name in neighbours[waiting.pop()] if name not in reached]
        reached.update(new)
        waiting += new
    return [name for name in switches if name not in reached]
