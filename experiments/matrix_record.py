"""A matrix as the record of a run, with its report: what `podwire matrix --out` writes."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path

from experiments import environment, folder, report
from experiments.matrix import Matrix
from experiments.reach import record
from experiments.reach.pairs import Wanted
from experiments.results import Reading, Run, Sample, labels
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.objects import Raw
from lab.state import Lab


def write(lab: Lab, wanted: Wanted, found: Matrix, out: Path) -> Path:
    """The new folder of a matrix, with record, heat map and report. Raises PodwireError."""
    run = as_run(lab, wanted, found)
    written = folder.write(run, out)
    report.write(run, written)
    return written


def as_run(lab: Lab, wanted: Wanted, found: Matrix) -> Run:
    """Every cell as a sample, and how long all of them took."""
    command = command_line(lab.name, wanted, compare=found.compared)
    seconds = Sample(record.SECONDS, "s", round(found.seconds, 3), 0, labels())
    return Run(
        id=secrets.token_hex(3),
        started=found.started,
        finished=found.finished,
        scenario=_scenario(lab.name, found, command),
        inputs=(),
        seed=0,
        samples=(*(record.sample(cell) for cell in found.cells), seconds),
        readings=(_reading(found, command),),
        failures=(),
        environment={
            "machine": environment.machine(),
            "versions": environment.versions(),
            "lab": {"name": lab.name, "nodes": len(lab.nodes), "policies": found.policies},
        },
    )


def command_line(name: str, wanted: Wanted, *, compare: bool) -> str:
    """The command that tries the same again."""
    words = ["podwire", "matrix", name]
    words += [word for port in wanted.ports for word in ("--port", str(port))]
    words += [word for protocol in wanted.protocols for word in ("--protocol", protocol)]
    words += [word for source in wanted.sources for word in ("--from", source)]
    words += ["--to", "service"] if wanted.services else []
    words += [word for namespace in wanted.namespaces for word in ("--namespace", namespace)]
    words += [] if compare else ["--no-expected"]
    return shlex.join([*words, "--out", "results"])


def _scenario(name: str, found: Matrix, command: str) -> Raw:
    spec = {
        "experiment": record.NAME,
        "description": f"Who reaches whom in the lab {name}, by real packets, beside what policies expect.",
        "repetitions": 1,
        "compared": found.compared,
        "command": command,
    }
    return {"apiVersion": CLUSTER_API_VERSION, "kind": "Matrix", "metadata": {"name": record.NAME}, "spec": spec}


def _reading(found: Matrix, command: str) -> Reading:
    return Reading(
        order=0,
        metric=record.REACH,
        repetition=0,
        labels=labels(),
        started_s=0.0,
        seconds=round(found.seconds, 3),
        attempts=1,
        command=tuple(shlex.split(command)),
        machine=found.machine,
    )
