"""Figures in words and numbers for a person: the same in the terminal's table, the plots and the report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.limits import LATE_MS
from experiments.measurements import LATENCY, LOSS, THROUGHPUT, Route
from experiments.results import Run
from experiments.statistics import Estimate
from experiments.summary import Figure, Figures
from experiments.throughput import (
    CROSS_NODE,
    FLOOR,
    LINUX_BRIDGE,
    OVS_NORMAL,
    POD_TO_POD,
    POD_TO_SERVICE,
    SAME_NODE,
    TCP,
    UDP,
    VETH,
)

_PATHS = {
    "pod-to-pod": "pod to pod",
    "pod-to-service": "pod to Service",
    "node-to-pod": "node to pod",
    "outside-to-service": "outside to Service",
}
_LOCALITIES = {SAME_NODE: "same node", CROSS_NODE: "across nodes"}
_FLOORS = {VETH: "one veth pair", LINUX_BRIDGE: "Linux bridge", OVS_NORMAL: "Open vSwitch, actions=normal"}
BASE = Route(FLOOR, floor=OVS_NORMAL)  # the floor that flows are compared with: the same switch without any
_FEW = 6  # readings, below which an interval of 95 % cannot be had


def route(of: Route) -> str:
    """A route, as a row of a table or a plot is called."""
    if of.floor:
        return f"floor: {_FLOORS.get(of.floor, of.floor)}"
    where = f", {_LOCALITIES.get(of.locality, of.locality)}" if of.locality else ""
    return f"{_PATHS.get(of.path, of.path)}{where}"


def streams(count: str | int | None) -> str:
    """`1 stream`, `4 streams`."""
    return f"{count} stream{'' if count == 1 else 's'}"


def messages(size: str | int | None) -> str:
    """`, 128 bytes at a time`; nothing where the tool's own size is used."""
    return f", {size} bytes at a time" if size else ""


def place(figure: Figure) -> str:
    """Where a figure was measured: its route, and what was swept."""
    return ", ".join([route(figure.route), *(str(value) for _, value in figure.swept)])


def digits(value: float) -> str:
    """Three significant digits, without an exponent: what readings of a busy machine are worth."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def quantity(value: float, unit: str) -> str:
    """A value with the unit in which it reads best."""
    if unit == "Mbit/s" and abs(value) >= 1000:
        return f"{digits(value / 1000)} Gbit/s"
    if unit == "us":
        return f"{digits(value / 1000)} ms" if abs(value) >= 1000 else f"{digits(value)} µs"
    return f"{digits(value)} {unit}"


def interval(of: Estimate, unit: str = "") -> str:
    """The ends of an estimate's interval, in the unit of its median; of a single reading there is none."""
    if of.n == 1:
        return "–"
    low, high = (quantity(end, unit) if unit else digits(end) for end in (of.low, of.high))
    if low.rpartition(" ")[2] == high.rpartition(" ")[2] and unit:
        low = low.rpartition(" ")[0]
    return f"{low} – {high}"


def beside(of: Estimate, unit: str) -> str:
    """The interval as it stands beside its median: without the unit where all have the same."""
    ends, common = interval(of, unit), " " + quantity(of.median, unit).rpartition(" ")[2]
    return ends.removesuffix(common) if ends.count(common) == 1 and " " not in ends.partition(" – ")[0] else ends


def spread(run: Run) -> str:
    """What the intervals of this run's tables and plots are."""
    n = int(run.scenario["spec"]["repetitions"])
    if n == 1:
        return "Each figure is a single reading: nothing is known of its spread."
    if n < _FEW:
        chance = 100 * (1 - 2 / 2.0**n)
        return (
            f"Intervals run from the smallest to the largest of {n} readings: they hold the true median with a "
            f"probability of {chance:.0f} %, whatever the readings' distribution."
        )
    return (
        f"Intervals lie between two of the {n} readings and hold the true median with a probability of at least 95 %, "
        "whatever the readings' distribution (order statistics)."
    )


def headline(figures: Figures) -> Iterator[str]:
    """The run in a few sentences; in one for each lab, where there were several."""
    labs = dict.fromkeys(one.swept for one in figures.all)
    for swept in labs:
        of = _headline(Figures(tuple(one for one in figures.all if one.swept == swept)))
        if len(labs) == 1:
            yield from of
        elif first := next(of, None):
            yield f"{', '.join(str(value) for _, value in swept)}: {first}"


def _headline(figures: Figures) -> Iterator[str]:
    across, service = Route(POD_TO_POD, CROSS_NODE), Route(POD_TO_SERVICE, CROSS_NODE)
    if tcp := figures.one(THROUGHPUT, across, protocol=TCP, streams=1):
        yield f"Pod to pod across nodes, one TCP stream: {_with_floor(figures, tcp)}."
    served = figures.one(THROUGHPUT, service, protocol=TCP, streams=1)
    if served and (part := figures.ratio(served, across)):
        yield (
            f"Through a Service across nodes: {quantity(served.estimate.median, served.unit)}, "
            f"{ratio(part)} of what goes from pod to pod."
        )
    if trip := figures.one(LATENCY, across, percentile=50):
        tail = figures.one(LATENCY, across, percentile=99)
        rest = f"; one in a hundred takes longer than {quantity(tail.estimate.median, tail.unit)}" if tail else ""
        yield f"A request and its reply between pods across nodes: {_with_floor(figures, trip)}{rest}."
    if loss := [one for one in figures.of(LOSS, protocol=UDP) if one.label("streams") and one.route.path != FLOOR]:
        worst = max(loss, key=lambda one: one.estimate.median)
        yield (
            f"UDP loses at most {quantity(worst.estimate.median, '%')} at the offered rate "
            f"({route(worst.route)}, {streams(worst.label('streams'))})."
        )


def limits(figures: Figures) -> Iterator[str]:
    """Where a figure shows the machine and not the network."""
    shown = [one for one in figures.all if one.metric in (THROUGHPUT, LATENCY)]
    measured = [one for one in shown if one.label("percentile") in (None, 50)]
    busy = [one for one in measured if 2 * one.busy > len(one.values)]
    late = [one for one in measured if 2 * one.late > len(one.values)]
    for metric in (THROUGHPUT, LATENCY):
        of = [one for one in measured if one.metric == metric]
        if full := [one for one in of if one in busy]:
            which = f"every {metric} figure" if len(full) == len(of) else f"{len(full)} of {len(of)} {metric} figures"
            yield (
                f"All cores were busy during most readings of {which} (▲ in the tables): they show this machine's "
                "limit, not the network's. Ratios to floors of the same run hold all the same."
            )
    if late:
        yield (
            f"The experiment's own clock woke up more than {LATE_MS:.0f} ms late during most readings of {len(late)} "
            f"of {len(measured)} figures: other work had the processors, and the tails of latency are the machine's."
        )
    if not busy and not late:
        yield "No figure was taken at the machine's limit: in most readings some processor time was left."


def share(of: Estimate) -> str:
    """A ratio's median."""
    return f"{of.median:.2f}"


def ratio(of: Estimate) -> str:
    """A ratio with its interval."""
    return f"{share(of)} ({bounds(of)})" if of.n > 1 else share(of)


def bounds(of: Estimate) -> str:
    """The interval of a ratio; of a single reading there is none."""
    return f"{of.low:.2f} – {of.high:.2f}" if of.n > 1 else ""


def _with_floor(figures: Figures, figure: Figure) -> str:
    """A figure, and how it stands to the switch without flows."""
    text = f"{quantity(figure.estimate.median, figure.unit)} at the median"
    if part := figures.ratio(figure, BASE):
        against = "times what" if figure.metric == LATENCY else "of what"
        verb = "takes" if figure.metric == LATENCY else "moves"
        text += f", {ratio(part)} {against} the same switch {verb} with actions=normal"
    return text
