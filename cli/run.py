"""`podwire run`: an experiment, from its lab's start to its report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")]


def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario's name, or its file.")],
    quick: Annotated[bool, typer.Option("--quick", help="The scenario's shorter readings.")] = False,
    out: Out = Path("results"),
    repeat: Annotated[int | None, typer.Option("--repeat", metavar="K", min=1, help="Repetitions.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="K", min=0, help="Shuffles the order of readings.")
    ] = None,
) -> None:
    """Run an experiment in a lab of its own, and write results and a report."""
    from cli.endings import as_ctrl_c
    from cli.measuring import showing_run
    from cli.summary import print_summary
    from experiments import catalogue, experiment, folder, kinds, report
    from experiments.scenario import run_as
    from k8sshim.errors import PodwireError

    prepared = catalogue.prepare(catalogue.find(scenario))
    prepared = prepared.with_scenario(run_as(prepared.scenario, quick=quick, repetitions=repeat, seed=seed))
    experiment.check(prepared)
    folder.check_writable(out)
    as_ctrl_c()  # the lab is taken down
    with showing_run(prepared) as observer:
        done = experiment.run(prepared, observer)
    written = folder.write(done, out)
    page = report.write(done, written)
    print_summary(done)
    print(f"report: {page}", file=sys.stderr)
    print(written)
    if missing := experiment.missing(done):
        raise PodwireError(f"{len(missing)} of what was to be measured gave no reading at all; the report names it")
    if reason := kinds.KINDS[prepared.scenario.experiment].failed(done):
        raise PodwireError(reason)
