"""The switches and links of each fabric shape, by name. Pure.

Shapes are those of Mininet's `topolib` and of the literature: a tree's depth counts its levels of switches, and a
fat-tree of k-port switches has k pods (Al-Fares, Loukissas, Vahdat: A Scalable, Commodity Data Center Network
Architecture, SIGCOMM 2008). Switches of a kind are numbered from 1 through the whole fabric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from .fabric_spec import GRAPH, Fabric, Pair

Names = tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A fabric's switches and how they are joined; the border is none of them."""

    switches: Names
    links: tuple[Pair, ...]
    edge: Names  # the switches that nodes hang on where they name none, in order
    border: Names  # the switches that the border hangs on where the description names none
    layers: tuple[Names, ...] = ()  # of shapes that have a top, top first


def graph_of(fabric: Fabric) -> Graph:
    """The graph of a fabric."""
    if fabric.shape == GRAPH:
        return Graph(fabric.switches, fabric.links, (), fabric.switches[:1])
    return _SHAPES[fabric.shape](**dict(fabric.sizes))


def _single() -> Graph:
    return Graph(("s1",), (), ("s1",), ("s1",), (("s1",),))


def _linear(switches: int) -> Graph:
    names = _names("s", switches)
    return Graph(names, tuple(pairwise(names)), names, names[:1])


def _ring(switches: int) -> Graph:
    names = _names("s", switches)
    return Graph(names, (*pairwise(names), (names[-1], names[0])), names, names[:1])


def _tree(depth: int, fanout: int) -> Graph:
    """Numbered from the root downwards, so that switch i hangs on switch (i - 2) // fanout + 1."""
    names = _names("s", sum(fanout**level for level in range(depth)))
    links = tuple((names[(index - 1) // fanout], name) for index, name in enumerate(names) if index)
    layers, start = [], 0
    for level in range(depth):
        layers.append(names[start : start + fanout**level])
        start += fanout**level
    return Graph(names, links, layers[-1], layers[0], tuple(layers))


def _leaf_spine(leaves: int, spines: int) -> Graph:
    below, above = _names("leaf", leaves), _names("spine", spines)
    links = tuple((leaf, spine) for leaf in below for spine in above)
    return Graph((*below, *above), links, below, above, (above, below))


def _fat_tree(k: int) -> Graph:
    """Edge switches join the aggregation switches of their pod; the i-th of those joins the i-th k/2 core switches."""
    half = k // 2
    edge, middle, core = _names("edge", k * half), _names("agg", k * half), _names("core", half * half)
    links: list[Pair] = []
    for pod in range(k):
        inside = middle[pod * half : (pod + 1) * half]
        links += [(low, high) for low in edge[pod * half : (pod + 1) * half] for high in inside]
        links += [(high, core[place * half + port]) for place, high in enumerate(inside) for port in range(half)]
    return Graph((*edge, *middle, *core), tuple(links), edge, core, (core, middle, edge))


_SHAPES: dict[str, Callable[..., Graph]] = {
    "single": _single,
    "linear": _linear,
    "ring": _ring,
    "tree": _tree,
    "leaf-spine": _leaf_spine,
    "fat-tree": _fat_tree,
}


def _names(kind: str, number: int) -> Names:
    return tuple(f"{kind}{index}" for index in range(1, number + 1))
