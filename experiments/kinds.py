"""Every kind of experiment: how it is planned, measured and told. What a scenario names is looked up here alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments import measurements, measuring, plots, throughput, throughput_page, traffic
from experiments import story as stories
from experiments.balancing import figures as balancing_figures
from experiments.balancing import measuring as balancing_measuring
from experiments.balancing import parameters as balancing
from experiments.balancing import plots as balancing_plots
from experiments.canvas import Plot
from experiments.catalogue import Prepared
from experiments.ecmp import figures as ecmp_figures
from experiments.ecmp import measuring as ecmp_measuring
from experiments.ecmp import parameters as ecmp
from experiments.ecmp import plots as ecmp_plots
from experiments.planning import Expected, Measurer
from experiments.policy_scaling import figures as policy_figures
from experiments.policy_scaling import measuring as policy_measuring
from experiments.policy_scaling import parameters as policy_scaling
from experiments.policy_scaling import plots as policy_plots
from experiments.reach import plots as reach_plots
from experiments.reach import record as reach
from experiments.recording import Measured
from experiments.results import Run
from experiments.scaling import figures as scaling_figures
from experiments.scaling import measuring as scaling_measuring
from experiments.scaling import parameters as scaling
from experiments.scaling import plots as scaling_plots
from experiments.scenario import Scenario
from experiments.self_check import figures as self_check_figures
from experiments.self_check import measuring as self_check_measuring
from experiments.self_check import parameters as self_check
from experiments.story import Story
from experiments.timeline import figures as timeline_figures
from experiments.timeline import measuring as timeline_measuring
from experiments.timeline import parameters as timeline
from experiments.timeline import planning as timeline_planning
from experiments.timeline import plots as timeline_plots
from experiments.transfer import figures as transfer_figures
from experiments.transfer import measuring as transfer_measuring
from experiments.transfer import parameters as transfer
from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from lab.state import Lab


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a kind of run is told."""

    plots: Callable[[Run], Sequence[Plot]]
    story: Callable[[Run], Story] | None = None  # None: a template of its own
    template: str = stories.TEMPLATE
    own_page: Callable[[Run], Raw] | None = None

    def page(self, run: Run) -> dict[str, Any]:
        """What its template shows beside what every report has."""
        if self.own_page:
            return self.own_page(run)
        assert self.story
        return self.story(run).page()


@dataclass(frozen=True, kw_only=True)
class Kind(Told):
    """One kind of experiment."""

    check: Callable[[], None]  # raises PodwireError where a program is missing on this machine
    expected: Callable[[Prepared], Expected]  # of one lab
    measure: Callable[[Lab, Prepared, Measurer], tuple[Measured, Raw]]  # readings, and what they were taken in
    check_lab: Callable[[Prepared], None] = lambda _: None  # raises BadInput where a lab cannot do what is asked of it
    failed: Callable[[Run], str] = lambda _: ""  # why the command is to fail though it measured; "" for no reason


def _in_any_lab(expected: Callable[[Scenario], Expected]) -> Callable[[Prepared], Expected]:
    """Of an experiment that takes the same readings whatever the cluster."""
    return lambda prepared: expected(prepared.scenario)


KINDS: Mapping[str, Kind] = {
    throughput.NAME: Kind(
        check=traffic.check_programs,
        expected=_in_any_lab(measurements.expected),
        measure=measuring.measure,
        plots=plots.plots,
        template=throughput_page.TEMPLATE,
        own_page=throughput_page.page,
    ),
    balancing.NAME: Kind(
        check=lambda: None,
        expected=_in_any_lab(balancing_measuring.expected),
        measure=balancing_measuring.measure,
        plots=balancing_plots.plots,
        story=balancing_figures.story,
    ),
    scaling.NAME: Kind(
        check=scaling_measuring.check_programs,
        expected=_in_any_lab(scaling_measuring.expected),
        measure=scaling_measuring.measure,
        plots=scaling_plots.plots,
        story=scaling_figures.story,
    ),
    ecmp.NAME: Kind(
        check=lambda: None,
        expected=_in_any_lab(ecmp_measuring.expected),
        measure=ecmp_measuring.measure,
        plots=ecmp_plots.plots,
        story=ecmp_figures.story,
    ),
    timeline.NAME: Kind(
        check=timeline_measuring.check_programs,
        check_lab=timeline_planning.check_lab,
        expected=_in_any_lab(timeline_measuring.expected),
        measure=timeline_measuring.measure,
        plots=timeline_plots.plots,
        story=timeline_figures.story,
    ),
    self_check.NAME: Kind(
        check=self_check_measuring.check_programs,
        expected=self_check_measuring.expected,
        measure=self_check_measuring.measure,
        plots=self_check_figures.plots,
        story=self_check_figures.story,
        failed=self_check_figures.failed,
    ),
    transfer.NAME: Kind(
        check=transfer_measuring.check_programs,
        expected=_in_any_lab(transfer_measuring.expected),
        measure=transfer_measuring.measure,
        plots=transfer_figures.plots,
        story=transfer_figures.story,
    ),
    policy_scaling.NAME: Kind(
        check=policy_measuring.check_programs,
        expected=_in_any_lab(policy_measuring.expected),
        measure=policy_measuring.measure,
        plots=policy_plots.plots,
        story=policy_figures.story,
    ),
}


# What other commands than `podwire run` write, in labs that are up already.
OTHERS: Mapping[str, Told] = {
    reach.NAME: Told(plots=reach_plots.plots, story=reach.story, template="matrix.html"),
}


def of(run: Run, file: str = "") -> Told:
    """How a run is told; a record that others wrote (a benchmark's) is not: BadInput, which names its file."""
    name = run.scenario["spec"]["experiment"]
    told = KINDS.get(name) or OTHERS.get(name)
    if told is None:
        raise BadInput.of(f"there is no report of {name!r}", file=file, field="scenario.spec.experiment")
    return told
