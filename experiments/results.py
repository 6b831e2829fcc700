"""What an experiment leaves behind: one immutable, versioned record of everything measured. Pure.

Plots and reports are made from this record alone, so whatever they need is in it; `experiments.schema` is its published
shape, and what is read is checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from k8sshim.errors import BadInput, Problem
from k8sshim.objects import Raw

# Versions: 1, the first one.
SCHEMA_VERSION = 1

Labels = tuple[tuple[str, str | int], ...]  # in the order they were given


def labels(**given: str | int | None) -> Labels:
    """Labels as a value; those that are None are left out."""
    return tuple((name, value) for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Sample:
    """One measured value."""

    metric: str  # throughput, latency, loss, ...
    unit: str
    value: float
    repetition: int  # from 0
    labels: Labels

    def to_json(self) -> Raw:
        return {**asdict(self), "labels": dict(self.labels)}


@dataclass(frozen=True)
class Machine:
    """What the machine did while a reading was taken: where this is at its limit, the reading shows the machine."""

    cores_busy: float  # share of all cores' time that was not idle, 0 to 1
    pressure: float | None  # share of the time in which some task waited for a processor; None: unknown
    run_queue: float  # runnable tasks, on average
    late_ms: float  # how late a clock of our own woke up at worst
    softirq: float | None = (
        None  # share of all cores' time in which the kernel moved packets and ran timers; None: unknown
    )
    drops: int | None = None  # packets that the kernel's receive queues were too full for; None: unknown


@dataclass(frozen=True)
class Reading:
    """One run of a traffic tool; its samples have the same repetition and labels."""

    order: int  # place in the run, from 0
    metric: str
    repetition: int
    labels: Labels
    started_s: float  # since the first reading began
    seconds: float  # the tool's whole run
    attempts: int  # 2: the first one failed
    command: tuple[str, ...]
    machine: Machine

    def to_json(self) -> Raw:
        return {**asdict(self), "labels": dict(self.labels), "command": list(self.command)}


@dataclass(frozen=True)
class Failure:
    """A reading that a tool did not give."""

    metric: str
    repetition: int
    labels: Labels
    attempt: int  # from 1
    message: str  # in the tool's words

    def to_json(self) -> Raw:
        return {**asdict(self), "labels": dict(self.labels)}


@dataclass(frozen=True)
class Run:
    """Everything one run of a scenario measured."""

    id: str
    started: str  # UTC, ISO 8601
    finished: str
    scenario: Raw  # as run: overrides applied
    inputs: tuple[tuple[str, str], ...]  # manifests and cluster description: path as given, SHA-256
    seed: int
    samples: tuple[Sample, ...]
    readings: tuple[Reading, ...]
    failures: tuple[Failure, ...]
    environment: Raw

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.scenario["metadata"]["name"])

    def to_json(self) -> Raw:
        """The content of run.json."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "id": self.id,
            "started": self.started,
            "finished": self.finished,
            "scenario": self.scenario,
            "inputs": [{"path": path, "sha256": digest} for path, digest in self.inputs],
            "seeds": {"order": self.seed},
            "samples": [sample.to_json() for sample in self.samples],
            "readings": [reading.to_json() for reading in self.readings],
            "failures": [failure.to_json() for failure in self.failures],
            "environment": self.environment,
        }


def check_version(raw: Any, file: str) -> None:
    """Raises BadInput where this is no run, or one of a schema that is newer than this code."""
    version = raw.get("schemaVersion") if isinstance(raw, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(Problem("is not a number: not the record of a run", file=file, field="schemaVersion"))
    if version > SCHEMA_VERSION:
        message = f"{version} is newer than this podwire reads ({SCHEMA_VERSION}); read it with a newer podwire"
        raise BadInput(Problem(message, file=file, field="schemaVersion"))


def from_json(raw: Raw) -> Run:
    """The run that a record checked by `experiments.schema` tells of."""
    return Run(
        id=raw["id"],
        started=raw["started"],
        finished=raw["finished"],
        scenario=raw["scenario"],
        inputs=tuple((one["path"], one["sha256"]) for one in raw["inputs"]),
        seed=raw["seeds"]["order"],
        samples=tuple(Sample(**_with_labels(one)) for one in raw["samples"]),
        readings=tuple(_reading(one) for one in raw["readings"]),
        failures=tuple(Failure(**_with_labels(one)) for one in raw["failures"]),
        environment=raw["environment"],
    )


def _reading(raw: Raw) -> Reading:
    values = _with_labels(raw)
    return Reading(**{**values, "command": tuple(raw["command"]), "machine": Machine(**raw["machine"])})


def _with_labels(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {**raw, "labels": tuple(raw["labels"].items())}
