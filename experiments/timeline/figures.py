"""What became of traffic while steps happened, in words and numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments import limits, wording
from experiments.results import Run
from experiments.story import Story, Table
from experiments.summary import Figure, figures
from experiments.sweep import words
from experiments.timeline.parameters import BEFORE, CONNECTIONS, TCP, UDP

WATCHED = {UDP: "UDP, a request each millisecond", TCP: "a TCP stream", CONNECTIONS: "new connections"}
_OWN = ("path", "locality", "case", "watch", "event", "pod")


def story(run: Run) -> Story:
    """The run in words and numbers."""
    return Story(
        headline=tuple(_headline(run)),
        limits=tuple(limits.of_readings(run)),
        notes=tuple(_notes(run)),
        tables=tuple(_tables(run)),
    )


def cases(run: Run) -> list[str]:
    """The cases, as the scenario has them."""
    return list(run.scenario["spec"]["parameters"]["cases"])


def events(run: Run, case: str, watch: str, metric: str = "outage") -> list[Figure]:
    """A metric of a case, each event's, in the order in which they happened."""
    found = figures(run).of(metric, case=case, watch=watch)
    order = list(dict.fromkeys(dict(one.labels).get("event") for one in run.samples))
    return sorted(found, key=lambda one: order.index(one.label("event")))


def _headline(run: Run) -> Iterator[str]:
    for case in cases(run):
        gone = [name for watch, name in ((UDP, "UDP"), (TCP, "the TCP stream")) if _broke(run, case, watch)]
        parts = [f"{' and '.join(gone)} broke off, since who answered was gone"] if gone else []
        for watch, name in ((UDP, "UDP"), (CONNECTIONS, "new connections")):
            if name not in gone and (first := _first(events(run, case, watch))):
                lost, after = (_beside(run, first, metric) for metric in ("lost", "recovery"))
                assert lost and after
                last = f", the last one {_ms(after)} after it" if lost.estimate.median else ""
                parts.append(f"{name} {_ms(first)} without traffic, {lost.estimate.median:g} lost{last}")
        if parts:
            yield f"{case}: {'; '.join(parts)}."
    for one in figures(run).of("newcomer"):
        yield f"{one.label('case')}: a pod that was new answered after {_ms(one)}."


def _broke(run: Run, case: str, watch: str) -> bool:
    """Whether what watched did not live to the end of most repetitions."""
    return any(2 * sum(value for _, value in one.values) > len(one.values) for one in _broken(run, watch, case=case))


def _broken(run: Run, watch: str, **of: str) -> Sequence[Figure]:
    return figures(run).of("broken", watch=watch, **of)


def _first(found: Sequence[Figure]) -> Figure | None:
    """Of a case's events, what happened first."""
    return next((one for one in found if one.label("event") != BEFORE), None)


def _ms(figure: Figure) -> str:
    return wording.quantity(figure.estimate.median, figure.unit)


def _tables(run: Run) -> Iterator[Table]:
    columns = ("case", "event", "without traffic", "lost", "the last one after", "out of order", "n")
    for watch, name in WATCHED.items():
        rows = [
            (
                " ".join([case, *([f"({words(swept)})"] if (swept := _swept(one)) else [])]),
                str(one.label("event")),
                _cell(one),
                *(_cell(_beside(run, one, metric)) for metric in ("lost", "recovery", "reordered")),
                str(len(one.values)),
            )
            for case in cases(run)
            for one in events(run, case, watch)
        ]
        if rows:
            yield Table(f"Through each event: {name}", columns, tuple(rows), _NOTES[watch])
    if new := figures(run).of("newcomer"):
        rows_new = [(str(one.label("case")), str(one.label("pod")), _cell(one), str(len(one.values))) for one in new]
        yield Table("Pods that were new", ("case", "pod", "answered after", "n"), tuple(rows_new))


_NOTES = {
    UDP: "Without traffic: the longest time between two answered requests with one between them that was not. "
    "Where it breaks off, nothing is asked from then on, and no loss is counted.",
    TCP: "To a tenth of a second, as iperf3 tells it; retransmission timeouts of the kernel are part of it. "
    "A stream that breaks off moves nothing from then on.",
    CONNECTIONS: "Lost: connections that were not answered within 0.9 s; a first packet sent again comes too late.",
}


def _swept(figure: Figure) -> tuple[tuple[str, str | int], ...]:
    return tuple(label for label in figure.labels if label[0] not in _OWN)


def _beside(run: Run, figure: Figure, metric: str) -> Figure | None:
    return next((one for one in figures(run).all if one.metric == metric and one.labels == figure.labels), None)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    known, unit = figure.estimate, figure.unit if figure.unit == "ms" else ""
    if known.low == known.high:
        return wording.quantity(known.median, unit).strip()
    return f"{wording.quantity(known.median, unit).strip()} ({wording.interval(known, unit).strip()})"


def _notes(run: Run) -> Iterator[str]:
    given = run.scenario["spec"]["parameters"]
    watched: Sequence[str] = given["watch"]
    yield (
        f"Watched from pod {given['client']}: {', '.join(WATCHED[one] for one in watched)}. Events happen in the lab "
        "at the times that the scenario says; each is timed by the clock of the machine, which the probes share. "
        "Everything is undone before the next case begins. The rows `before` are from a case's beginning to its first "
        "event: what is lost there, the machine lost, or it was on its way when the event came."
    )
    for watch in (UDP, TCP):
        broken = {str(one.label("case")): sum(value for _, value in one.values) for one in _broken(run, watch)}
        if any(broken.values()):
            each = ", ".join(f"{case} {count:.0f} times" for case, count in broken.items() if count)
            yield f"{WATCHED[watch]}: did not live to the end of the case, since who answered is gone: {each}."
