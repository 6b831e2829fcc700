"""What the readings of the experiment `transfer` say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments import limits, swept, wording
from experiments.canvas import Plot
from experiments.results import Labels, Run
from experiments.story import Story, Table
from experiments.summary import Figure, figures
from experiments.sweep import words
from experiments.swept import Column
from experiments.transfer.parameters import FIRST_PACKET, LATENCY, OVERHEAD, PATH_MTU, THROUGHPUT

COLUMNS = (
    Column(THROUGHPUT, "throughput of TCP"),
    Column("packets", "packets a second"),
    Column("retransmissions", "segments sent again"),
    Column("fragments", "fragments"),
    Column("processor", "processor time a gigabyte"),
    Column(LATENCY, "round trip, median", 50),
    Column(LATENCY, "round trip, percentile 99", 99),
    Column(FIRST_PACKET, "new connection, median", 50),
    Column(FIRST_PACKET, "new connection, percentile 99", 99),
    Column(PATH_MTU, "largest packet that passes"),
    Column("told", "sender of a larger one is told", flag=True),
    Column("black-hole", "black hole", flag=True),
)


def story(run: Run) -> Story:
    """The run in words and numbers."""
    tables = [swept.table(run, "Between two pods on two nodes", COLUMNS, "▲ all cores were busy in most readings.")]
    if figures(run).of(OVERHEAD):
        tables.append(_overhead(run))
    return Story(
        headline=tuple(_headline(run)),
        limits=tuple(limits.of_readings(run)),
        notes=tuple(_notes(run)),
        tables=tuple(tables),
    )


def plots(run: Run) -> list[Plot]:
    """Every metric, for each choice of what was swept."""
    transfer = [one for one in COLUMNS if one.metric in (THROUGHPUT, "packets", "processor", "retransmissions")]
    latency = [one for one in COLUMNS if one.metric in (LATENCY, FIRST_PACKET)]
    sizes = [Column(PATH_MTU, "largest packet that passes"), Column(OVERHEAD, "bytes added to a packet")]
    return [
        *swept.plots(run, "transfer", "Throughput and what it costs", transfer),
        *swept.plots(run, "latency", "Latency", latency),
        *swept.plots(run, "sizes", "Sizes of packets", sizes),
    ]


def computed(run: Run, labels: Labels) -> int:
    """What the mode adds to a packet, in bytes, by its headers."""
    labs = run.environment.get("labs", {})
    lab = labs.get(words(swept.choice(labels, swept.fields(run))), run.environment["lab"])
    return int(lab["computed_overhead"])


def exact(run: Run, figure: Figure) -> bool:
    """Whether every capture shows what was computed."""
    return {value for _, value in figure.values} == {float(computed(run, figure.labels))}


def _overhead(run: Run) -> Table:
    rows = [
        (
            swept.short(swept.choice(one.labels, swept.fields(run))),
            f"{one.estimate.low:g} – {one.estimate.high:g} B" if one.estimate.low != one.estimate.high
            else f"{one.estimate.median:g} B",
            f"{computed(run, one.labels)} B",
            "equal" if exact(run, one) else "differ",
        )
        for one in swept.in_order(run, figures(run).of(OVERHEAD))
    ]  # fmt: skip
    return Table(
        "Bytes added to each packet", ("lab", "captured", "computed", ""), tuple(rows), "Beside Ethernet's 14."
    )


def _headline(run: Run) -> Iterator[str]:
    moved = figures(run).of(THROUGHPUT)
    if moved:
        best, worst = (pick(moved, key=lambda one: one.estimate.median) for pick in (max, min))
        yield f"Most was moved with {_named(run, best)}: {wording.quantity(best.estimate.median, best.unit)}."
        if best is not worst:
            yield f"Least with {_named(run, worst)}: {wording.quantity(worst.estimate.median, worst.unit)}."
    holes = [one for one in figures(run).of("black-hole") if one.estimate.median > 0]
    if holes:
        yield f"Black holes: {'; '.join(_named(run, one) for one in holes)}."
    if captured := figures(run).of(OVERHEAD):
        same = sum(exact(run, one) for one in captured)
        yield f"The overhead in captured frames equals the computed in {same} of {len(captured)} labs."


def _named(run: Run, figure: Figure) -> str:
    return swept.short(swept.choice(figure.labels, swept.fields(run)))


def _notes(run: Run) -> Iterator[str]:
    yield (
        "One pod sends to one on another node: TCP by iperf3, requests and replies of 64 bytes each millisecond by "
        "irtt, new connections one at a time. Packets a second are counted at the receiving pod's interface, segments "
        "sent again in the sending pod, fragments in both pods and nodes, by the kernel's counters."
    )
    yield (
        "The largest packet that passes is found with ping, which forbids fragments; a black hole is a packet that the "
        "pod's interface takes, and that is lost without its sender being told. Processor time is that of the lab's "
        "processes and the tools', over the bytes that arrived."
    )
    yield f"Segmentation offload of pods: {_offload(run)}."


def _offload(run: Run) -> str:
    labs: Sequence[dict[str, dict[str, str]]] = list(run.environment.get("labs", {}).values()) or [
        run.environment["lab"]
    ]
    seen = {lab.get("offloads", {}).get("tcp-segmentation-offload") or "unknown" for lab in labs}
    return ", ".join(sorted(seen))
