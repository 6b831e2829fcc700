"""What the machine did while it measured, and what it could do when it was calibrated: told with every run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.measurements import LATENCY, THROUGHPUT
from experiments.results import Labels, Run
from experiments.statistics import quantile
from experiments.summary import Figure, figures
from experiments.throughput import FLOOR

CALIBRATION = "calibration"  # in a run's environment
CALIBRATE = "calibrate"  # the scenario
NEAR = 0.9  # of a calibrated floor: what comes so near could hardly have been faster on this machine
SLOWER = 0.8  # of a calibrated floor: a machine whose floors are below that did other things as well
_OF_FLOOR = ("floor", "protocol", "streams", "percentile")


def sentences(run: Run) -> Iterator[str]:
    """The machine in this run."""
    if left_out := run.environment.get("left_out"):
        each = "; ".join(f"{which} ({reason})" for which, reason in left_out.items())
        yield f"Left out, because this machine cannot make them: {each}. podwire vm has a kernel that can."
    yield from _meanwhile(run)
    if calibrated := run.environment.get(CALIBRATION):
        yield from _beside(run, calibrated)
    elif run.name != CALIBRATE:
        yield "This machine was not calibrated when it measured: podwire calibrate tells what it gives at best."


def key(labels: Labels, metric: str) -> str:
    """A floor's figure, as a calibration calls it."""
    given = dict(labels)
    return " ".join([metric, *(f"{name}={given[name]}" for name in _OF_FLOOR if name in given)])


def at_limit(figure: Figure, calibrated: Mapping[str, Any]) -> bool:
    """Whether it is throughput that comes near to what a bare link moved on the idle machine."""
    if figure.metric != THROUGHPUT or figure.route.path == FLOOR:
        return False
    given = dict(figure.labels)
    bare = (("floor", "veth"), ("protocol", given.get("protocol", "TCP")), ("streams", given.get("streams", 1)))
    floor = calibrated.get("floors", {}).get(key(bare, THROUGHPUT))
    return bool(floor) and figure.estimate.median >= NEAR * floor["median"]


def _meanwhile(run: Run) -> Iterator[str]:
    seen = [one.machine for one in run.readings]
    if not seen:
        return
    cores = run.environment.get("machine", {}).get("cores") or "?"
    parts = [f"{_median([one.run_queue for one in seen]):.1f} runnable tasks for {cores} cores"]
    if pressure := [one.pressure for one in seen if one.pressure is not None]:
        parts.insert(0, f"some task waited for a processor {100 * _median(pressure):.0f} % of the time")
    if softirq := [one.softirq for one in seen if one.softirq is not None]:
        parts.append(f"softirqs took {100 * _median(softirq):.0f} % of the cores")
    yield f"While it measured, at the median of {len(seen)} readings: {', '.join(parts)}."
    if drops := [one.drops for one in seen if one.drops]:
        yield f"The kernel's receive queues were too full for {sum(drops)} packets, in {len(drops)} readings."


def _beside(run: Run, calibrated: Mapping[str, Any]) -> Iterator[str]:
    made = figures(run)
    floors = calibrated.get("floors", {})
    ratios = {}
    for one in made.all:
        known = floors.get(key(one.labels, one.metric))
        if one.route.path == FLOOR and known and known["median"] and one.metric in (THROUGHPUT, LATENCY):
            ratio = one.estimate.median / known["median"]
            ratios[one.metric, one.labels] = ratio if one.metric == THROUGHPUT else 1 / ratio
    if ratios:
        middle = _median(list(ratios.values()))
        slow = middle < SLOWER
        yield (
            f"The floors of this run were at {100 * middle:.0f} % of those that this machine gave when it was "
            f"calibrated ({calibrated['when']})"
            + (": it did other things as well, or was slower. Ratios to floors hold all the same." if slow else ".")
        )
    if near := [one for one in made.all if at_limit(one, calibrated)]:
        yield (
            f"{len(near)} throughput figures reach {100 * NEAR:.0f} % or more of what a bare veth pair moved when this "
            "machine was calibrated: they show the machine's limit."
        )
    late = calibrated.get("timer", {}).get("worst_us")
    if late and run.readings:
        worst = max(one.machine.late_ms for one in run.readings)
        yield (
            f"A clock of the experiment's own woke up {worst:.1f} ms late at worst; "
            f"{late / 1000:.1f} ms when the machine was calibrated."
        )


def busy(figure: Figure) -> bool:
    """Whether all cores were busy in most of its readings."""
    return 2 * figure.busy > len(figure.values)


def _median(values: list[float]) -> float:
    return quantile(values, 0.5)
