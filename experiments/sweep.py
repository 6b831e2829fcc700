"""Clusters to sweep: fields of the cluster with the values that each has in its turn, one lab for each choice. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import prod

from experiments.results import Labels
from k8sshim.objects import Raw
from topo.fields import Fields, Problems

MAX_LABS = 200
_BARE = ("shape", "mode")  # fields of an object that say by their value what it is
_HOW = "kind"  # of links: how they are made
Value = str | int | float | bool | Mapping[str, object]


@dataclass(frozen=True)
class Axis:
    """A field of the cluster's spec by its path (`network.mode`), and its values."""

    field: str
    values: tuple[Value, ...]


Sweep = tuple[Axis, ...]


@dataclass(frozen=True)
class Variant:
    """One choice: what samples are labelled with, and the cluster's spec."""

    labels: Labels
    spec: Raw


def parse(fields: Fields) -> Sweep:
    """The axes; problems are noted in the fields."""
    axes = []
    for name in fields.raw:
        values = fields.items(name)
        for index, value in enumerate(values):
            if not isinstance(value, (str, int, float, dict)):
                fields.wrong(f"{name}[{index}]", f"must be a value of the cluster's field, not {value!r}")
        if isinstance(fields.raw[name], list) and not values:
            fields.wrong(name, "must have a value or more")
        axes.append(Axis(name, tuple(values)))
    if (labs := prod(len(axis.values) for axis in axes)) > MAX_LABS:
        fields.problems.add(fields.path, f"makes {labs} labs, more than {MAX_LABS}")
    return tuple(axes)


def to_raw(sweep: Sweep) -> Raw:
    """As the scenario has it."""
    return {axis.field: list(axis.values) for axis in sweep}


def variants(cluster: Raw, sweep: Sweep, problems: Problems) -> tuple[Variant, ...]:
    """Every choice, in the order of the axes; one without labels where nothing is swept."""
    return tuple(_variant(cluster, sweep, values, problems) for values in product(*(axis.values for axis in sweep)))


def words(labels: Labels) -> str:
    """A choice in words."""
    return ", ".join(f"{name} {value}" for name, value in labels)


def in_order(labs: int, seed: int) -> Iterator[int]:
    """The places of labs in the order in which they come up."""
    order = list(range(labs))
    random.Random(seed).shuffle(order)  # noqa: S311 - an order that can be had again, no secret
    return iter(order)


def _variant(cluster: Raw, sweep: Sweep, values: Sequence[Value], problems: Problems) -> Variant:
    spec = deepcopy(cluster)
    for axis, value in zip(sweep, values, strict=True):
        if not _put(spec, axis.field.split("."), deepcopy(value)):
            problems.add(f"spec.sweep.{axis.field}", "lies within a field of the cluster that is no object")
    return Variant(tuple((axis.field, text(value)) for axis, value in zip(sweep, values, strict=True)), spec)


def _put(spec: Raw, path: Sequence[str], value: Value) -> bool:
    *outer, last = path
    for name in outer:
        inner = spec.setdefault(name, {})
        if not isinstance(inner, dict):
            return False
        spec = inner
    spec[last] = value
    return True


def text(value: object) -> str | int:
    """A value as a label."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        first = [str(value[name]) for name in _BARE if name in value]
        rest = [f"{name} {text(one)}" for name, one in value.items() if name not in (*_BARE, _HOW)]
        return " ".join([*first, *rest])
    return str(value)
