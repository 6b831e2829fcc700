"""A matrix in the record of a run, and back, and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments import limits
from experiments.reach.cells import Cell, Expected, differences
from experiments.reach.grid import namespace
from experiments.reach.probe import ASK_AGAIN_S, TRIES, WAIT_S, Outcome
from experiments.results import Run, Sample, labels
from experiments.story import Story, Table

NAME, REACH, SECONDS = "matrix", "reach", "probing"
_SHOWN = 200  # differences in the page; the record has all


def sample(cell: Cell) -> Sample:
    """A cell: 1 where an answer came, 0 where not."""
    ends = labels(**{"from": cell.source}, to=cell.target, port=cell.port, protocol=cell.protocol)
    judged = labels(outcome=cell.outcome.value, expected=cell.expected.value, fault=cell.fault or None)
    return Sample(REACH, "1", int(cell.allowed), 0, (*ends, *judged))


def cells(run: Run) -> list[Cell]:
    """The cells of a run."""
    return [_cell(one) for one in run.samples if one.metric == REACH]


def _cell(one: Sample) -> Cell:
    given = dict(one.labels)
    return Cell(
        source=str(given["from"]),
        target=str(given["to"]),
        port=int(given["port"]),
        protocol=str(given["protocol"]),
        outcome=Outcome(given["outcome"]),
        expected=Expected(given["expected"]),
        fault=str(given.get("fault", "")),
    )


def compared(run: Run) -> bool:
    """Whether it was held against what policies expect."""
    return bool(run.scenario["spec"]["compared"])


def story(run: Run) -> Story:
    """The run in words and numbers."""
    found = cells(run)
    return Story(
        headline=tuple(_headline(run, found)),
        limits=tuple(limits.of_readings(run)),
        notes=tuple(_notes()),
        tables=(_between_namespaces(found), *_differences(found)),
    )


def _headline(run: Run, found: Sequence[Cell]) -> Iterator[str]:
    seconds = next((one.value for one in run.samples if one.metric == SECONDS), 0.0)
    sources, targets = ({getattr(cell, end) for cell in found} for end in ("source", "target"))
    yield (
        f"{len(found)} connections from {len(sources)} sources to {len(targets)} targets were tried in "
        f"{seconds:.1f} s: {sum(cell.allowed for cell in found)} were answered."
    )
    if compared(run):
        differing = len(differences(found))
        policies = run.environment["lab"]["policies"]
        told = f"{differing} differ from" if differing else "All agree with"
        yield f"{told} what the lab's {policies} policies expect."


def _notes() -> Iterator[str]:
    again = ", ".join(f"{one:g}" for one in ASK_AGAIN_S)
    yield (
        "Answered: a TCP or SCTP handshake, or a datagram to the one sent. Closed: the pod's kernel said that nobody "
        "listens, so packets pass, and policies allow it. Silent: nothing came back. Unreachable: something on the way "
        "said so."
    )
    yield (
        f"Each is waited for {WAIT_S:g} s. The kernel sends a handshake's first packet again after 1 s and 3 s, and a "
        f"datagram is sent again after {again} s. Silence that no policy explains is tried {TRIES} times, from another "
        "port. A server that keeps silent on UDP looks like one that is denied."
    )
    yield (
        "What is expected comes from the objects alone, by code that shares nothing with what makes flows of them. "
        "A Service is expected to be reached where policies allow all of its endpoints, and mixed where some."
    )


def _between_namespaces(found: Sequence[Cell]) -> Table:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in found:
        groups.setdefault((namespace(cell.source) or "nodes", namespace(cell.target)), []).append(cell)
    rows = tuple(_row(source, target, some) for (source, target), some in sorted(groups.items()))
    columns = ("from", "to", "tried", "answered", "closed", "nothing came", "expected allowed", "differ")
    return Table("Between namespaces", columns, rows)


def _row(source: str, target: str, some: Sequence[Cell]) -> tuple[str, ...]:
    answered, closed = (sum(cell.outcome is one for cell in some) for one in (Outcome.ANSWERED, Outcome.CLOSED))
    allowed = sum(cell.expected is Expected.ALLOWED for cell in some)
    counts = (len(some), answered, closed, len(some) - answered - closed, allowed, len(differences(some)))
    return (source, target, *map(str, counts))


def _differences(found: Sequence[Cell]) -> Iterator[Table]:
    differing = differences(found)
    if differing:
        rows = tuple((cell.source, cell.target, cell.way, cell.fault) for cell in differing[:_SHOWN])
        note = f"The first {_SHOWN} of {len(differing)}." if len(differing) > _SHOWN else ""
        yield Table("Where expected and observed differ", ("from", "to", "port", "how"), rows, note)
