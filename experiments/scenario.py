"""What an experiment is asked to do: a Scenario in Kubernetes' manner, checked whole before anything is built. Pure.

A scenario names a cluster, manifests and an experiment with its parameters; `experiments.catalogue` reads the files
that it names. `run_as` applies what the command line overrides, and `to_raw` writes down what was really run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from experiments import sweep as sweeps
from experiments import throughput
from experiments.balancing import parameters as balancing
from experiments.ecmp import parameters as ecmp
from experiments.policy_scaling import parameters as policy_scaling
from experiments.reading_fields import number, words
from experiments.scaling import parameters as scaling
from experiments.self_check import parameters as self_check
from experiments.sweep import Sweep
from experiments.timeline import parameters as timeline
from experiments.transfer import parameters as transfer
from k8sshim import names
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from topo.fields import Fields, Problems

KIND = "Scenario"
MAX_REPETITIONS = 10_000
MIN_SECONDS, MAX_SECONDS = 0.05, 600.0


class Parameters(Protocol):
    """What one kind of experiment is told beside what all are."""

    def to_raw(self) -> Raw: ...


# Every kind of experiment, by the name that a scenario gives it; what they do is in `experiments.kinds`.
PARSERS: Mapping[str, Callable[[Fields], Parameters]] = {
    throughput.NAME: throughput.parse,
    balancing.NAME: balancing.parse,
    scaling.NAME: scaling.parse,
    policy_scaling.NAME: policy_scaling.parse,
    transfer.NAME: transfer.parse,
    self_check.NAME: self_check.parse,
    timeline.NAME: timeline.parse,
    ecmp.NAME: ecmp.parse,
}


@dataclass(frozen=True)
class Pace:
    """How often, and how long a reading lasts."""

    repetitions: int = 5
    tcp_s: float = 1.0  # short ones see single retransmission timeouts, of 0.2 s each
    udp_s: float = 1.0
    latency_s: float = 1.0

    @property
    def seconds(self) -> Raw:
        """As the scenario has it."""
        return {"tcp": self.tcp_s, "udp": self.udp_s, "latency": self.latency_s}


@dataclass(frozen=True)
class Scenario:
    """A scenario, complete and free of contradictions."""

    name: str
    description: str
    cluster: Raw | str  # a Cluster's spec, or the path of a Cluster's file
    manifests: tuple[str, ...]  # paths, relative to the scenario's file
    experiment: str
    pace: Pace
    quick: Pace
    seed: int
    parameters: Parameters
    quick_parameters: Parameters  # those of a quick run
    sweep: Sweep = ()  # fields of the cluster with the values that each has, in labs of their own
    quick_sweep: Sweep = ()


def parse(raw: Any, file: str = "") -> Scenario:
    """The scenario, defaults filled in. Raises BadInput with every problem found."""
    name = raw["metadata"].get("name") if isinstance(raw, dict) and isinstance(raw.get("metadata"), dict) else None
    problems = Problems(file, f"{KIND} {name}" if isinstance(name, str) else KIND)
    top = Fields(raw, "", problems)
    for field, expected in (("apiVersion", CLUSTER_API_VERSION), ("kind", KIND)):
        value = top.required(field)
        if value is not None and value != expected:
            top.wrong(field, f"must be {expected}, not {value!r}")
    parsed = _parse_spec(top.fields("spec"), _parse_name(top.fields("metadata")))
    top.close()
    if problems.found:
        raise BadInput(*problems.found)
    return parsed


def run_as(
    scenario: Scenario, *, quick: bool = False, repetitions: int | None = None, seed: int | None = None
) -> Scenario:
    """The scenario with the command line's overrides."""
    pace = scenario.quick if quick else scenario.pace
    parameters = scenario.quick_parameters if quick else scenario.parameters
    swept = scenario.quick_sweep if quick else scenario.sweep
    if repetitions is not None:
        pace = replace(pace, repetitions=repetitions)
    seed = scenario.seed if seed is None else seed
    return replace(scenario, pace=pace, parameters=parameters, sweep=swept, seed=seed)


def to_raw(scenario: Scenario) -> Raw:
    """The object that parses back to this scenario."""
    quick: Raw = {"repetitions": scenario.quick.repetitions, "secondsPerReading": scenario.quick.seconds}
    if scenario.quick_parameters != scenario.parameters:
        quick["parameters"] = scenario.quick_parameters.to_raw()
    if scenario.quick_sweep != scenario.sweep:
        quick["sweep"] = sweeps.to_raw(scenario.quick_sweep)
    spec: Raw = {
        "description": scenario.description,
        "cluster": scenario.cluster,
        "manifests": list(scenario.manifests),
        "experiment": scenario.experiment,
        "repetitions": scenario.pace.repetitions,
        "secondsPerReading": scenario.pace.seconds,
        "seed": scenario.seed,
        "quick": quick,
        "parameters": scenario.parameters.to_raw(),
        **({"sweep": sweeps.to_raw(scenario.sweep)} if scenario.sweep else {}),
    }
    return {"apiVersion": CLUSTER_API_VERSION, "kind": KIND, "metadata": {"name": scenario.name}, "spec": spec}


def _parse_name(metadata: Fields) -> str:
    name = metadata.required("name")
    if name is not None and (wrong := names.no_dns_label(name)):
        metadata.wrong("name", wrong)
    metadata.close()
    return name or ""


def _parse_spec(spec: Fields, name: str) -> Scenario:
    experiment = spec.choice("experiment", tuple(PARSERS), throughput.NAME)
    pace, quick = _parse_pace(spec, Pace()), spec.fields("quick")
    parameters = PARSERS[experiment](spec.fields("parameters"))
    swept = sweeps.parse(spec.fields("sweep"))
    quickly = sweeps.parse(quick.fields("sweep"))
    parsed = Scenario(
        name=name,
        description=spec.text("description", "") or "",
        cluster=_parse_cluster(spec),
        manifests=words(spec, "manifests"),
        experiment=experiment,
        pace=pace,
        quick=_parse_pace(quick, pace),
        seed=spec.integer("seed", 1, 0, 2**31 - 1),
        parameters=parameters,
        quick_parameters=_parse_quick(quick, spec, PARSERS[experiment]) or parameters,
        sweep=swept,
        quick_sweep=_overlaid(swept, quickly),
    )
    quick.close()
    spec.close()
    return parsed


def _parse_quick(quick: Fields, spec: Fields, parse_parameters: Callable[[Fields], Parameters]) -> Parameters | None:
    """A quick run's parameters: the others', with those that `quick` gives in their place."""
    if quick.raw.get("parameters") is None:
        quick.take("parameters")
        return None
    given, known = quick.fields("parameters"), spec.raw.get("parameters")
    both = Problems(spec.problems.file, spec.problems.object)
    parsed = parse_parameters(Fields({**(known if isinstance(known, dict) else {}), **given.raw}, given.path, both))
    names_given = tuple(given.at(name) for name in given.raw)
    spec.problems.found += [one for one in both.found if one.field.startswith(names_given)]
    return parsed


def _overlaid(sweep: Sweep, given: Sweep) -> Sweep:
    """A quick run's axes: the others', with those that `quick` gives in their place."""
    own = {axis.field: axis for axis in given}
    return (*(own.pop(axis.field, axis) for axis in sweep), *own.values())


def _parse_cluster(spec: Fields) -> Raw | str:
    value = spec.take("cluster")
    if isinstance(value, dict) or (isinstance(value, str) and value):
        return value
    if value is not None:
        spec.wrong("cluster", "must be a Cluster's spec, or the path of a Cluster's file")
    return {}


def _parse_pace(fields: Fields, default: Pace) -> Pace:
    """`secondsPerReading` is one number for all, or one each for `tcp`, `udp` and `latency`."""
    repetitions = fields.integer("repetitions", default.repetitions, 1, MAX_REPETITIONS)
    if not isinstance(fields.raw.get("secondsPerReading"), dict):
        seconds = number(fields, "secondsPerReading", 0.0, MIN_SECONDS, MAX_SECONDS)
        return Pace(repetitions, seconds, seconds, seconds) if seconds else replace(default, repetitions=repetitions)
    each = fields.fields("secondsPerReading")
    pace = Pace(
        repetitions,
        number(each, "tcp", default.tcp_s, MIN_SECONDS, MAX_SECONDS),
        number(each, "udp", default.udp_s, MIN_SECONDS, MAX_SECONDS),
        number(each, "latency", default.latency_s, MIN_SECONDS, MAX_SECONDS),
    )
    each.close()
    return pace
