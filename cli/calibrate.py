"""`podwire calibrate`: what this machine gives at best, measured once and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsJson, print_json

_IDLE = 0.5  # load, above which other work has its part in the floors


def calibrate(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter and fewer readings.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")] = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Measure this machine's floors and its timer's lateness, and keep them: every run is set beside them.

    The machine should be idle. Prints the file that keeps them.
    """
    from cli.endings import as_ctrl_c
    from cli.measuring import showing_run
    from cli.summary import print_summary
    from experiments import calibration, catalogue, experiment, folder, report
    from experiments.scenario import run_as

    prepared = catalogue.prepare(catalogue.find(calibration.SCENARIO))
    prepared = prepared.with_scenario(run_as(prepared.scenario, quick=quick))
    folder.check_writable(out)
    as_ctrl_c()  # the lab is taken down
    late = calibration.timer()
    with showing_run(prepared) as observer:
        done = experiment.run(prepared, observer)
    written = folder.write(done, out)
    print(f"report: {report.write(done, written)}", file=sys.stderr)
    found = calibration.of(done, late)
    file = calibration.store(found)
    if (load := done.environment["machine"]["load_before"][0]) > _IDLE:
        print(f"the machine was not idle before (load {load:g}): calibrate again when it is", file=sys.stderr)
    if as_json:
        print_json(found)
        return
    print_summary(done)
    print(
        f"timer: a sleep of 1 ms ends {late.median_us:.0f} µs late at the median, {late.p99_us:.0f} µs in one of a "
        f"hundred, {late.worst_us:.0f} µs at worst"
    )
    print(file)
