"""Tables on stdout: within the terminal's width there, as wide as they are in a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from k8sshim.objects import Service
    from lab.doctor import Diagnosis
    from lab.tracing.counters import PortUse, ServiceUse

WIDE = 1000
_BETWEEN = 2  # columns, as Table has it
_FOLDED = 2.0  # a table may have rows of so many lines, on average
_DEFAULT_BALANCING = "hash"


def console() -> Console:
    """Where tables are printed."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows under the columns' names; None is shown as "-"."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("-" if row[column] is None else escape(str(row[column])) for column in columns))
    console().print(table)


def print_titled(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of texts; where the terminal is too narrow for it a paragraph a row."""
    screen = console()
    texts = list(zip(columns, *rows, strict=True))  # of each column
    words = [max(map(cell_len, " ".join(column).split()), default=0) for column in texts]
    whole = [max(map(cell_len, column)) for column in texts]
    if _across(words) > screen.width or _across(whole) > _FOLDED * screen.width:
        _print_paragraphs(screen, title, columns, rows)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name, width in zip(columns, words, strict=True):
        table.add_column(name, min_width=width)
    for row in rows:
        table.add_row(*map(escape, row))
    screen.print(table)


def _across(widths: Sequence[int]) -> int:
    """Of a whole row."""
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _print_paragraphs(screen: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    screen.print(f"[bold]{escape(title)}[/]")
    names = max(map(cell_len, columns[1:]), default=0)
    for first, *others in rows:
        screen.print(first, markup=False)
        for name, text in zip(columns[1:], others, strict=True):
            if text:
                screen.print(f"  {name:<{names}}  {text}", markup=False)


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


def print_services(uses: Sequence[ServiceUse]) -> None:
    """A paragraph a Service: what it is, its ports with what they carried, and who answers at each."""
    lines = [line for use in uses for line in _service_lines(use)]
    console().print("\n".join(lines) if uses else "no Services", soft_wrap=True)


def _service_lines(use: ServiceUse) -> Iterator[str]:
    one = use.service
    balancing = [one.balancing] if one.balancing != _DEFAULT_BALANCING else []
    affinity = [f"affinity {one.affinity_s} s"] if one.affinity_s else []
    words = [f"[bold]{one.key}[/]", one.type, escape(_where(one)), *balancing, *affinity]
    yield "  ".join(word for word in words if word)
    for port in use.ports:
        yield f"  {_port_words(port)}"
        for endpoint in port.endpoints:
            place = f"{endpoint.address}:{endpoint.port}"
            yield f"    {place:<21}  {endpoint.state:<9}  {endpoint.connections:>8}  {escape(endpoint.target)}".rstrip()


def _where(service: Service) -> str:
    if service.external_name or service.headless:
        return service.external_name or "headless"
    pending = ["pending"] if service.type == "LoadBalancer" and not service.ingress_ips else []
    return ", ".join((*service.cluster_ips, *service.ingress_ips, *pending, *service.external_ips))


def _port_words(use: PortUse) -> str:
    port = use.port
    number = f"{port.port}{f':{port.node_port}' if port.node_port else ''}/{port.protocol}"
    ready = sum(one.state == "ready" for one in use.endpoints)
    who = f"{ready} of {len(use.endpoints)} ready" if use.endpoints else "[red]no endpoint[/]"
    if not use.resolved:
        who = f'[red]no pod has a port "{escape(str(port.target))}"[/]'
    carried = f"{_size(use.bytes_in)} in, {_size(use.bytes_out)} out"
    words = [number, escape(port.name), who, f"{use.connections} connection{'s' * (use.connections != 1)}", carried]
    return "  ".join(word for word in words if word)


def _size(count: int) -> str:
    """Bytes as people read them."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
