"""Scenarios on disk: found by name among our own or by file, and the files that they name, which are read here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from experiments import scenario as scenarios
from experiments import sweep as sweeps
from experiments.results import Labels
from experiments.scenario import Scenario
from k8sshim import manifests
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import BadInput, NotFound
from k8sshim.manifests import Document
from k8sshim.objects import Raw
from topo import spec
from topo.fields import Problems
from topo.spec import ClusterSpec

FOLDER = Path(__file__).with_name("scenarios")
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Prepared:
    """A scenario with everything it names, read and checked."""

    scenario: Scenario
    cluster: ClusterSpec
    documents: tuple[Document, ...]
    inputs: tuple[tuple[str, str], ...]  # files by the path given, and their SHA-256
    described: Raw  # the cluster as it is described, before anything is swept
    path: str  # the scenario's
    labels: Labels = ()  # of what is swept: those of this lab

    def with_scenario(self, scenario: Scenario) -> Prepared:
        """The same with a scenario that runs at another pace."""
        return replace(self, scenario=scenario)

    def labs(self) -> tuple[Prepared, ...]:
        """One for each choice of what is swept, each with its cluster. Raises BadInput."""
        problems = Problems(self.path, f"Scenario {self.scenario.name}")
        made = sweeps.variants(self.described.get("spec") or {}, self.scenario.sweep, problems)
        if problems.found:
            raise BadInput(*problems.found)
        return tuple(
            replace(self, labels=one.labels, cluster=spec.parse({**self.described, "spec": one.spec}, self.path))
            for one in made
        )


def names() -> list[str]:
    """The names of our own scenarios."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(given: str) -> Path:
    """The file of a scenario given by name or by path. Raises NotFound, which says what there is."""
    if given in names():
        return FOLDER / f"{given}.yaml"
    path = Path(given)
    if path.is_file() or path.suffix in SUFFIXES or "/" in given:
        return path
    raise NotFound.of(f'no scenario "{given}", and no file of that name; there are: {", ".join(names())}')


def prepare(path: Path) -> Prepared:
    """Read a scenario and what it names. Raises BadInput."""
    scenario = scenarios.parse(_load(path), str(path))
    beside = path.parent
    described, file = _described(scenario, path)
    given = [*scenario.manifests, *([scenario.cluster] if isinstance(scenario.cluster, str) else [])]
    return Prepared(
        scenario=scenario,
        cluster=spec.parse(described, file),
        described=described,
        path=str(path),
        documents=tuple(manifests.load([str(beside / one) for one in scenario.manifests])),
        inputs=tuple((one, _digest(beside / one)) for one in given),
    )


def _described(scenario: Scenario, path: Path) -> tuple[Raw, str]:
    """The cluster's description, and the file that has it."""
    if isinstance(scenario.cluster, str):
        file = path.parent / scenario.cluster
        return _load(file), str(file)
    return {
        "apiVersion": CLUSTER_API_VERSION,
        "kind": "Cluster",
        "metadata": {"name": scenario.name},
        "spec": scenario.cluster,
    }, str(path)


def _load(path: Path) -> Any:
    """The one document of a file."""
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
    except OSError as error:
        raise BadInput.of(f"cannot be read: {error.strerror}", file=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput.of(f"no YAML: {' '.join(str(error).split())}", file=str(path)) from error
    if len(documents) != 1:
        raise BadInput.of(f"must hold one object, not {len(documents)} documents", file=str(path))
    return documents[0]


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files in the order of their names."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
