"""The words of the scenarios: pods, selectors, policies, truth tables, and what a cluster has to do for them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import product
from typing import Any, Protocol

Raw = dict[str, Any]
X, Y, Z = "x", "y", "z"
NAMESPACES = (X, Y, Z)
PODS = tuple(f"{namespace}/{name}" for namespace, name in product(NAMESPACES, ("a", "b", "c")))
PORTS = (80, 81)
TCP, UDP, SCTP = "TCP", "UDP", "SCTP"
NAME_LABEL = "kubernetes.io/metadata.name"
EVERYTHING: Raw = {}  # as a selector
ANY: Raw = {}  # as a rule
ANSWERED, SILENT = "answered", "silent"  # what may become of a connection; anything else is wrong


def labels(**wanted: str) -> Raw:
    """A selector of what has these labels."""
    return {"matchLabels": wanted}


def expression(key: str, operator: str, *values: str) -> Raw:
    """A selector by a set-based requirement."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def named(namespace: str) -> Raw:
    """A selector of the namespace of that name, by the label that the API server gives it."""
    return {"matchLabels": {NAME_LABEL: namespace}}


def port_name(port: int, protocol: str) -> str:
    """What the pods call a port of theirs."""
    return f"serve-{port}-{protocol.lower()}"


def policy(name: str, pods: Raw, *, ingress: list[Raw] | None = None, egress: list[Raw] | None = None) -> Raw:
    """A NetworkPolicy for the pods of that selector; it speaks of the directions that have a list of rules."""
    spec: Raw = {"podSelector": pods, "policyTypes": []}
    for direction, rules in (("Ingress", ingress), ("Egress", egress)):
        if rules is not None:
            spec["policyTypes"].append(direction)
            spec[direction.lower()] = rules
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


@dataclass(frozen=True)
class Table:
    """Who reaches whom: every pod every pod, but for what is denied.

    Patterns are "*", "x/*" or "x/a"; what is said later counts. A pod always reaches itself, directly and through its
    Service: Kubernetes' tests leave that open, podwire does not.
    """

    denied: frozenset[tuple[str, str]] = frozenset()

    def deny(self, source: str, target: str) -> Table:
        return replace(self, denied=self.denied | _pairs(source, target))

    def allow(self, source: str, target: str) -> Table:
        return replace(self, denied=self.denied - _pairs(source, target))

    def expected(self, source: str, target: str) -> str:
        """What must become of a connection: what is denied is dropped in silence."""
        return SILENT if (source, target) in self.denied and source != target else ANSWERED


ALL = Table()


def _pairs(source: str, target: str) -> set[tuple[str, str]]:
    return {(one, other) for one, other in product(PODS, PODS) if fnmatch(one, source) and fnmatch(other, target)}


@dataclass(frozen=True)
class Attempt:
    """One connection, and what became of it."""

    source: str
    target: str
    way: str  # by which of the target's addresses
    outcome: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} by its {self.way}: {self.outcome}"


def wrong(table: Table, attempts: Iterable[Attempt]) -> list[Attempt]:
    """The connections that the table says otherwise of."""
    return [one for one in attempts if one.outcome != table.expected(one.source, one.target)]


def told(table: Table, attempts: Collection[Attempt]) -> str:
    """What is wrong, "" for nothing: rows send, columns receive; "." reached, "X" not, "!" where that is not so."""
    listed = wrong(table, attempts)
    if not listed:
        return ""
    amiss = {(one.source, one.target) for one in listed}
    rows = [f"{'':5}" + "".join(f"{target:>5}" for target in PODS)]
    for source in PODS:
        marks = [("." if table.expected(source, target) == ANSWERED else "X") for target in PODS]
        cells = [mark + "!" * ((source, target) in amiss) for mark, target in zip(marks, PODS, strict=True)]
        rows.append(f"{source:5}" + "".join(f"{cell:>5}" for cell in cells))
    return "\n".join(["", *rows, *map(str, listed[:20])])


class Cluster(Protocol):
    """What a scenario asks of a cluster with the nine pods."""

    def create(self, namespace: str, *policies: Raw) -> None: ...

    def replace(self, namespace: str, changed: Raw) -> None: ...

    def delete_policies(self) -> None: ...

    def label_namespace(self, namespace: str, **added: str) -> None: ...

    def label_pod(self, pod: str, **added: str) -> None: ...

    def address(self, pod: str) -> str: ...

    def expect(self, port: int, table: Table, protocol: str = TCP) -> None:
        """Wait until real connections of every pod to every pod are as the table says, and stay so."""
        ...


Scenario = Callable[[Cluster], None]


@dataclass(frozen=True)
class Context:
    """A `ginkgo.Context` with its tests, by their names."""

    name: str
    scenarios: dict[str, Scenario] = field(default_factory=dict)

    def it(self, text: str) -> Callable[[Scenario], Scenario]:
        """Makes a function the scenario of Kubernetes' test of that name."""

        def added(scenario: Scenario) -> Scenario:
            assert text not in self.scenarios, text
            self.scenarios[text] = scenario
            return scenario

        return added


BETWEEN = Context("NetworkPolicy between server and client")
