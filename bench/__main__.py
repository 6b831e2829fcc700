"""`python -m bench [NAME...]`: measures, prints what was asked beside what was measured, and writes results/bench/.

A missed figure is told in the table; the exit code is 1 only where a benchmark could not run.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import api, life, matrix, policies, rollout, scale, service_scale, services, throughput
from bench.outcome import MET, Outcome, samples
from experiments import environment, folder
from experiments.results import Run
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import PodwireError

BENCHMARKS: dict[str, Callable[[], Outcome]] = {
    "throughput": throughput.run,
    "ready": life.ready_and_down,
    "memory": life.memory,
    "kill": life.kill,
    "scale": scale.run,
    "services": services.run,
    "service-scale": service_scale.run,
    "rollout": rollout.run,
    "policies": policies.run,
    "matrix": matrix.run,
    "api": api.run,
}


def main(arguments: list[str]) -> int:
    """Run the benchmarks named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--out", type=Path, default=Path("results"), help="where results go")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    started, machine = _now(), environment.machine()
    outcomes, failed = _measure(options.names or list(BENCHMARKS))
    _print(outcomes)
    if outcomes:
        print(
            folder.write(
                _record(outcomes, started, {"machine": machine, "versions": environment.versions()}), options.out
            )
        )
    return 1 if failed else 0


def _measure(names: list[str]) -> tuple[dict[str, Outcome], bool]:
    outcomes, failed = {}, False
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        try:
            outcomes[name] = BENCHMARKS[name]()
        except PodwireError as error:
            failed = True
            print(f"{name} could not run: {error}", file=sys.stderr)
    return outcomes, failed


def _print(outcomes: dict[str, Outcome]) -> None:
    table = Table("figure", "asked", "measured: median (interval)", "verdict", box=None, pad_edge=False)
    for outcome in outcomes.values():
        for figure in outcome.figures:
            verdict = f"[{'green' if figure.verdict == MET else 'red'}]{figure.verdict}[/]"
            table.add_row(figure.name, figure.asked, figure.measured, verdict)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(table)
    for name, outcome in outcomes.items():
        for note in outcome.notes:
            console.print(f"{name}: {note}", markup=False)


def _record(outcomes: dict[str, Outcome], started: str, where: dict[str, object]) -> Run:
    """The benchmarks' readings as the record of a run."""
    figures = {
        figure.name: {"asked": figure.asked, "measured": figure.measured, "verdict": figure.verdict}
        for outcome in outcomes.values()
        for figure in outcome.figures
    }
    spec = {"experiment": "bench", "benchmarks": list(outcomes), "repetitions": 1, "figures": figures}
    return Run(
        id=secrets.token_hex(3),
        started=started,
        finished=_now(),
        scenario={"apiVersion": CLUSTER_API_VERSION, "kind": "Benchmark", "metadata": {"name": "bench"}, "spec": spec},
        inputs=(),
        seed=0,
        samples=tuple(samples(list(outcomes.values()))),
        readings=(),
        failures=(),
        environment=where,
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
