"""Pod to pod across nodes beside a bridge with actions=normal, and pod to Service beside pod to pod, in one run."""

from __future__ import annotations

from dataclasses import replace

from bench.outcome import AT_LEAST, Figure, Outcome
from experiments import catalogue, experiment, throughput, wording
from experiments.measurements import THROUGHPUT, Route
from experiments.results import Run
from experiments.scenario import Pace
from experiments.statistics import paired_ratios
from experiments.summary import Figures, figures
from experiments.throughput import CROSS_NODE, OVS_NORMAL, POD_TO_POD, POD_TO_SERVICE, TCP
from k8sshim.errors import PodwireError
from lab.lifecycle import Step

REPETITIONS, SECONDS = 15, 1.0
_ACROSS, _SERVICE = Route(POD_TO_POD, CROSS_NODE), Route(POD_TO_SERVICE, CROSS_NODE)


class _Silent:
    """Nobody is told how far the run is: it takes a minute."""

    def coming_up(self, step: Step) -> None: ...

    def doing(self, what: str, seconds: float) -> None: ...

    def going_down(self) -> None: ...


def run() -> Outcome:
    """Measure the two ratios. Raises PodwireError where a path gave no reading."""
    measured = _measure()
    made = figures(measured)
    asked = (
        Figure(
            "pod to pod across nodes / actions=normal, TCP", AT_LEAST, 0.8, "", _ratios(made, _ACROSS, wording.BASE)
        ),
        Figure("pod to Service / pod to pod across nodes, TCP", AT_LEAST, 0.95, "", _ratios(made, _SERVICE, _ACROSS)),
    )
    medians = (one for one in made.of(THROUGHPUT))
    notes = [f"{wording.route(one.route)}: {wording.quantity(one.estimate.median, one.unit)}" for one in medians]
    return Outcome(asked, (*notes, *wording.limits(made)))


def _measure() -> Run:
    prepared = catalogue.prepare(catalogue.find("quickstart"))
    given = prepared.scenario
    known = throughput.of(given.parameters)
    traffic = replace(
        known,
        servers=tuple(server for server in known.servers if server.locality == CROSS_NODE),
        paths=(POD_TO_POD, POD_TO_SERVICE),
        floors=(OVS_NORMAL,),
        protocols=(TCP,),
        streams=(1,),
        latency=False,
    )
    scenario = replace(given, parameters=traffic, pace=Pace(REPETITIONS, SECONDS, SECONDS, SECONDS))
    return experiment.run(prepared.with_scenario(scenario), _Silent())


def _ratios(made: Figures, route: Route, floor: Route) -> tuple[float, ...]:
    upper, lower = (made.one(THROUGHPUT, one, protocol=TCP, streams=1) for one in (route, floor))
    ratios = paired_ratios(dict(upper.values), dict(lower.values)) if upper and lower else ()
    if not ratios:
        raise PodwireError(f"no readings of {wording.route(route)} beside {wording.route(floor)}")
    return ratios
