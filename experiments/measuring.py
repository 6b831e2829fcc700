"""Takes the readings of the experiment `throughput` in a lab that is up, in the order of their schedule."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from experiments import ends, environment, measurements, throughput
from experiments.catalogue import Prepared
from experiments.ends import Ends
from experiments.floors import floors
from experiments.inside import Sandbox
from experiments.measurements import WARM_UP_S, Measurement, Route, reading_s, seconds_of
from experiments.parse import ToolFailed
from experiments.planning import Measurer
from experiments.recording import Measured, recording
from experiments.scenario import Pace
from experiments.throughput import FLOOR
from experiments.traffic import Meter
from k8sshim.client import Client
from k8sshim.objects import Raw
from lab.state import Lab
from lab.waiting import wait_until
from topo.plan import plan as plan_of

SERVERS_S = 10.0  # for servers that are starting to answer


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in."""
    one, plan = prepared.scenario, plan_of(prepared.cluster)
    traffic = throughput.of(one.parameters)
    sandbox, mtu = Sandbox(lab.pid), plan.cluster().pod_mtu
    routes = ends.find(Client(lab.kubeconfig), traffic)
    with floors(sandbox, traffic.floors, mtu) as by_kind:
        routes |= {Route(FLOOR, floor=kind): there for kind, there in by_kind.items()}
        meter = Meter(sandbox, traffic, mtu)
        _warm_up(meter, measurements.measurements(traffic), routes, measurer)
        planned = measurements.schedule(traffic, one.pace.repetitions, one.seed)
        measured = _read(meter, planned, routes, one.pace, measurer)
        within = environment.lab(sandbox, plan, next(iter(routes.values())).netns)
    return measured, within


def _warm_up(meter: Meter, once: Sequence[Measurement], ends: Mapping[Route, Ends], measurer: Measurer) -> None:
    """One uncounted reading of each measurement: servers answer, flows are cached, and rates are known.

    A measurement that does not work here will say so when it counts.
    """
    deadline = time.monotonic() + SERVERS_S
    for number, measurement in enumerate(once, 1):
        measurer.doing(f"warm-up {number}/{len(once)}: {measurement}", WARM_UP_S)
        works = partial(_works, meter, measurement, ends[measurement.route])
        wait_until(works, max(0.0, deadline - time.monotonic()))


def _read(
    meter: Meter,
    schedule: Sequence[tuple[int, Measurement]],
    ends: Mapping[Route, Ends],
    pace: Pace,
    measurer: Measurer,
) -> Measured:
    """Every reading of the schedule, in its order."""
    with recording() as recorder:
        for number, (repetition, measurement) in enumerate(schedule, 1):
            measurer.doing(f"{number}/{len(schedule)}: {measurement}", reading_s(measurement, pace))
            seconds, route = seconds_of(measurement, pace), ends[measurement.route]
            act = partial(meter.take, measurement, route, repetition, seconds)
            recorder.take(measurement.metric, repetition, measurement.labels, act)
        return recorder.measured


def _works(meter: Meter, measurement: Measurement, ends: Ends) -> bool:
    try:
        meter.take(measurement, ends, 0, WARM_UP_S / 2)
    except ToolFailed:
        return False
    return True
