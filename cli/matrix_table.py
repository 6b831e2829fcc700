"""Prints who reaches whom: one mark a pair, expected beside observed in it, within the terminal's width."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cli.tables import console
from experiments.reach.cells import Cell, differences
from experiments.reach.grid import (
    CLOSED,
    GOOD,
    LEAKED,
    LOST,
    MANY,
    NONE,
    NOT_TRIED,
    OTHER,
    SOME,
    WORDS,
    Grid,
    by_workload,
    grids,
    pieces,
)

_PAGE = 120  # columns where there is no terminal: those who read a file see the same each time
_SHOWN = 20  # differences; --json has all
_STYLES = {
    GOOD: "green",
    CLOSED: "cyan",
    NONE: "red",
    SOME: "yellow",
    NOT_TRIED: "dim",
    LEAKED: "bold black on yellow",
    LOST: "bold black on yellow",
    OTHER: "bold black on yellow",
}


def print_matrix(lab: str, cells: Sequence[Cell]) -> None:
    """Print a row a source, a column a target.

    Names are long, so a pod's column has the number of its row, and other targets have letters, told below. Ports at
    which not all pairs are alike have tables of their own.
    """
    screen = console()
    if not cells:
        screen.print("nothing to try: there are no two pods, or what they try declares no port or has no address")
        return
    shown: Sequence[Cell] = cells
    if max(len({cell.source for cell in cells}), len({cell.target for cell in cells})) > MANY:
        shown = by_workload(cells)
        screen.print(f"more than {MANY} sources or targets: pods of one workload are shown as one")
    labels = _labels(shown)
    for grid in grids(shown):
        _print_grid(screen, grid, labels)
    for name, letter in labels.items():
        if not letter.isdigit():
            screen.print(f"{letter}  {name}", markup=False)
    seen = {mark for grid in grids(shown) for mark in grid.marks.values()}
    screen.print("   ".join(f"{mark} {words}" for mark, words in WORDS.items() if mark in seen), markup=False)
    for line in difference_lines(lab, cells):
        screen.print(line, markup=False)


def difference_lines(lab: str, cells: Sequence[Cell]) -> Iterator[str]:
    """Two lines for each pair and way in which it differs, and what is asked to have it explained."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in differences(cells):
        groups.setdefault((cell.source, cell.target, cell.fault), []).append(cell)
    for (source, target, fault), some in list(groups.items())[:_SHOWN]:
        yield f"{source} to {target}: {fault} at {', '.join(cell.way for cell in some)}"
        yield f"    {explain(lab, some[0])}"
    if len(groups) > _SHOWN:
        yield f"and {len(groups) - _SHOWN} more pairs that differ; --json has all"


def explain(lab: str, cell: Cell) -> str:
    """The command that explains a cell."""
    protocol = f" --protocol {cell.protocol}" if cell.protocol != "TCP" else ""
    target = f"svc/{cell.target}" if cell.service else cell.target
    return f"podwire policy explain {lab} {cell.source} {target}:{cell.port}{protocol}"


def _print_grid(screen: Console, grid: Grid, labels: dict[str, str]) -> None:
    width = screen.width if sys.stdout.isatty() else _PAGE
    number = max(len(labels.get(one, "")) for one in grid.sources)
    name = max(len("from \\ to"), *map(len, grid.sources))
    screen.print(Text(f"at {', '.join(grid.ways)}", style="bold"))
    for piece in pieces(grid, width, labels):
        for line, head in enumerate(piece.heads):
            title = "from \\ to" if line == len(piece.heads) - 1 else ""
            screen.print(Text(f"{'':{number}}  {title:{name}}  {head}", style="bold"))
        for label, source, marks in piece.rows:
            line_text = Text(f"{label:>{number}}  {source:{name}}  ")
            for mark in marks:
                line_text.append(mark, style=_STYLES.get(mark, "dim"))
            screen.print(line_text)


def _labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Numbers for sources, which are their columns' too; letters for other targets."""
    sources = sorted({cell.source for cell in cells})
    others = sorted({cell.target for cell in cells} - set(sources))
    numbers = {name: str(number) for number, name in enumerate(sources, 1)}
    return {**numbers, **{name: _letters(number) for number, name in enumerate(others)}}


def _letters(number: int) -> str:
    """a, b, ... z, aa, ab, ... for 0, 1, ..."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)
