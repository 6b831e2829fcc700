"""The matrix as characters: rows of sources, columns of targets, one mark a pair, in pieces that fit a width. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from experiments.reach.cells import Cell, Expected
from experiments.reach.probe import Outcome

GOOD, CLOSED, NONE, SOME, NOT_TRIED = "✓", "○", "✗", "◐", "·"
LEAKED, LOST, OTHER = "+", "−", "!"  # differences
MANY = 100  # sources or targets, above which pods of one workload are told as one
WORDS = {
    GOOD: "answered",
    CLOSED: "packets pass, nobody listens",
    NONE: "nothing came back",
    SOME: "some of both",
    LEAKED: "DIFFERS: expected denied, but packets pass",
    LOST: "DIFFERS: expected allowed, but nothing came back",
    OTHER: "DIFFERS in another way, or in several",
}
_HASHES = re.compile(r"(-[a-z0-9]{8,10})?-[a-z0-9]{5}$|-\d+$")  # what workloads add to the names of their pods


@dataclass(frozen=True)
class Grid:
    """Cells that one table can show: of ports at which no two cells of a pair differ."""

    ways: tuple[str, ...]  # ports with protocols
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    marks: Mapping[tuple[str, str], str]  # of source and target


@dataclass(frozen=True)
class Piece:
    """Columns of a grid that fit on a page together."""

    targets: tuple[str, ...]
    heads: tuple[str, ...]  # lines above the rows
    rows: tuple[tuple[str, str, str], ...]  # number, source, marks


def mark(cells: Sequence[Cell]) -> str:
    """What cells have in common."""
    marks = {_mark(cell) for cell in cells}
    if len(marks) == 1:
        return marks.pop()
    faults = marks & {LEAKED, LOST, OTHER}
    if faults:
        return faults.pop() if len(faults) == 1 else OTHER
    return GOOD if marks == {GOOD, CLOSED} else SOME if marks else NOT_TRIED


def _mark(cell: Cell) -> str:
    if cell.fault:
        if cell.expected is Expected.DENIED and cell.outcome.passed:
            return LEAKED
        return LOST if cell.expected is Expected.ALLOWED and not cell.outcome.passed else OTHER
    return {Outcome.ANSWERED: GOOD, Outcome.CLOSED: CLOSED}.get(cell.outcome, NONE)


def workload(name: str) -> str:
    """The name without what tells a workload's pods apart."""
    return _HASHES.sub("", name)


def by_workload(cells: Sequence[Cell]) -> list[Cell]:
    """Cells between workloads instead of pods."""
    return [replace(cell, source=workload(cell.source), target=workload(cell.target)) for cell in cells]


def grids(cells: Sequence[Cell]) -> list[Grid]:
    """As few as can show every cell: ports go together while no pair is marked differently at two of them."""
    by_way: dict[str, list[Cell]] = {}
    for cell in cells:
        by_way.setdefault(cell.way, []).append(cell)
    groups: list[tuple[list[str], dict[tuple[str, str], str]]] = []
    for way, some in by_way.items():
        marks = _marks(some)
        for ways, known in groups:
            if all(known.get(pair, one) == one for pair, one in marks.items()):
                ways.append(way)
                known.update(marks)
                break
        else:
            groups.append(([way], marks))
    return [_grid(tuple(ways), marks) for ways, marks in groups]


def _marks(cells: Sequence[Cell]) -> dict[tuple[str, str], str]:
    by_pair: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_pair.setdefault((cell.source, cell.target), []).append(cell)
    return {pair: mark(some) for pair, some in by_pair.items()}


def _grid(ways: tuple[str, ...], marks: Mapping[tuple[str, str], str]) -> Grid:
    sources, targets = (tuple(sorted({pair[end] for pair in marks})) for end in (0, 1))
    return Grid(ways, sources, targets, marks)


def namespace(name: str) -> str:
    """The namespace of a pod or Service; "" for nodes."""
    return name.partition("/")[0] if "/" in name else ""


def pieces(grid: Grid, width: int, labels: Mapping[str, str]) -> Iterator[Piece]:
    """The grid in pieces of no more than `width` characters; a bar stands between columns of two namespaces."""
    number = max(len(labels.get(one, "")) for one in grid.sources)
    name = max(map(len, grid.sources))
    room = max(10, width - number - name - 4)
    for some in _pages(grid.targets, room):
        yield Piece(tuple(some), _heads(some, labels), tuple(_rows(grid, some, labels)))


def _pages(targets: Sequence[str], room: int) -> Iterator[list[str]]:
    """Whole namespaces as long as they fit, bars counted."""
    page: list[str] = []
    for _, some in groupby(targets, namespace):
        group = list(some)
        if page and _width([*page, *group]) > room:
            yield page
            page = []
        while _width(group) > room:
            yield group[:room]
            group = group[room:]
        page = [*page, *group]
    if page:
        yield page


def _width(targets: Sequence[str]) -> int:
    return len(targets) + len({namespace(one) for one in targets}) - 1


def _heads(targets: Sequence[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Labels from top to bottom."""
    height = max(len(labels[one]) for one in targets)
    return tuple(_barred(targets, [labels[one].rjust(height)[line] for one in targets]) for line in range(height))


def _rows(grid: Grid, targets: Sequence[str], labels: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for source in grid.sources:
        marks = [grid.marks.get((source, target), NOT_TRIED) for target in targets]
        yield labels.get(source, ""), source, _barred(targets, marks)


def _barred(targets: Sequence[str], marks: Sequence[str]) -> str:
    parts = []
    for _, some in groupby(zip(targets, marks, strict=True), lambda one: namespace(one[0])):
        parts.append("".join(each for _, each in some))
    return "│".join(parts)
