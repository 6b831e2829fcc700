"""Tables on stdout: within the terminal's width there, as wide as they are in a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from experiments.matrix import Cell
    from lab.doctor import Diagnosis

WIDE = 1000


def console() -> Console:
    """Where tables are printed."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows under the columns' names; None is shown as "-"."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("-" if row[column] is None else escape(str(row[column])) for column in columns))
    console().print(table)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print what a machine has, and below, in lines of their own, the cost and the remedy of what it lacks."""
    table = Table("", "feature", "detail", box=None, pad_edge=False, header_style="bold")
    for one in diagnosis.findings:
        table.add_row("[green]✓[/]" if one.found else "[red]✗[/]", escape(one.feature), escape(one.detail))
    console().print(table)
    for one in diagnosis.findings:
        if not one.found:
            lack = escape(f"without {one.feature}: {one.cost}; to get it: {one.remedy}")
            console().print(f"[red]✗[/] {lack}")
    console().print("a lab can run here" if diagnosis.able else "no lab can run here")


def print_matrix(cells: Sequence[Cell]) -> None:
    """Print who reaches whom: a row a source, a column a target.

    Names are long, so a pod's column has the number of its row, and other targets have letters, told below.
    """
    if not cells:
        console().print("nothing to try: there are no two pods, or what they try declares no port or has no address")
        return
    sources = sorted({cell.source for cell in cells})
    targets = sorted({cell.target for cell in cells})
    numbers = {name: str(number) for number, name in enumerate(sources, 1)}
    letters = {name: _letters(number) for number, name in enumerate(name for name in targets if name not in numbers)}
    table = Table("", box=None, pad_edge=False, header_style="bold")
    table.add_column("from \\ to", no_wrap=True)
    for target in targets:
        table.add_column(numbers.get(target) or letters[target], justify="center", no_wrap=True)
    answers: dict[tuple[str, str], list[bool]] = {}
    for cell in cells:
        answers.setdefault((cell.source, cell.target), []).append(cell.allowed)
    for source in sources:
        marks = [_mark(answers.get((source, target), [])) for target in targets]
        table.add_row(numbers[source], escape(source), *marks)
    console().print(table)
    for name, letter in letters.items():
        console().print(f"{letter}  {escape(name)}")


def _letters(number: int) -> str:
    """a, b, ... z, aa, ab, ... for 0, 1, ..."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)


def _mark(answers: Sequence[bool]) -> str:
    """A pair's mark: what its ports have in common, or how many of them answered."""
    if not answers:
        return "[dim]·[/]"
    if all(answers):
        return "[green]✓[/]"
    return f"[yellow]{sum(answers)}/{len(answers)}[/]" if any(answers) else "[red]✗[/]"
