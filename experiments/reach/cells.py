"""A connection's cell in the matrix: what policies expect beside what came of it. Pure.

`allowed` says that an answer came. What policies expect is held against whether packets passed: a reset, or ICMP port
unreachable, from a pod shows that they do, though nobody listens at the port.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from experiments.policy.oracle import NodePlace, Oracle, Place, PodPlace
from experiments.reach.pairs import NODE, Pair, Source
from experiments.reach.probe import Found, Outcome


class Expected(str, Enum):
    """What policies expect of a connection."""

    ALLOWED = "allowed"
    DENIED = "denied"
    MIXED = "mixed"  # some of a Service's endpoints are allowed: it depends on which one is chosen
    NOBODY = "nobody"  # a Service without endpoints at that port: nobody can answer
    UNKNOWN = "unknown"  # not asked for, or who would answer is no pod

    @property
    def answer(self) -> bool | None:
        """Whether it is allowed; None where that is not known beforehand."""
        return {"allowed": True, "denied": False, "nobody": False}.get(self.value)


@dataclass(frozen=True)
class Cell:
    """What became of one connection."""

    source: str
    target: str
    port: int
    protocol: str
    outcome: Outcome
    expected: Expected = Expected.UNKNOWN
    fault: str = ""  # how the two differ; "" where they agree, or nothing is expected
    service: bool = False  # whether the target is one

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ANSWERED

    @property
    def way(self) -> str:
        """The port, as policies' ports are written."""
        return f"{self.port}/{self.protocol}"

    def raw(self) -> dict[str, str | int | bool | None]:
        """The cell as the command line's contract has it."""
        return {
            "from": self.source,
            "to": self.target,
            "port": self.port,
            "protocol": self.protocol,
            "allowed": self.allowed,
            "outcome": self.outcome.value,
            "expected": self.expected.answer,
        }


class Judge:
    """Says what policies expect of connections, and where what came of them differs."""

    def __init__(self, oracle: Oracle | None, pods: Collection[str]) -> None:
        self._oracle = oracle
        self._names = {one.rpartition("/")[2] for one in pods}  # as stand-ins call themselves

    def expected(self, pair: Pair) -> Expected:
        """What policies expect of a connection."""
        if self._oracle is None or not pair.known:
            return Expected.UNKNOWN
        if not pair.ways:
            return Expected.NOBODY
        verdicts = self._verdicts(pair)
        if len(set(verdicts)) > 1:
            return Expected.MIXED
        return Expected.ALLOWED if verdicts[0] else Expected.DENIED

    def cell(self, pair: Pair, found: Found) -> Cell:
        """The connection's cell."""
        expected = self.expected(pair)
        fault = _fault(expected, found.outcome) or self._wrong_answerer(pair, found, expected)
        ends = (pair.source.name, pair.target, pair.port, pair.protocol)
        return Cell(*ends, found.outcome, expected, fault, pair.service)

    def _verdicts(self, pair: Pair) -> list[bool]:
        assert self._oracle
        source = _place(pair.source)
        return [
            self._oracle.verdict(source, PodPlace(way.pod.namespace, way.pod.name), way.port, pair.protocol).allowed
            for way in pair.ways
        ]

    def _wrong_answerer(self, pair: Pair, found: Found, expected: Expected) -> str:
        """Who answered by name, where that is a pod that cannot have been meant, or one that is denied."""
        if expected is Expected.UNKNOWN or found.name not in self._names:
            return ""
        meant = {way.pod.name for way in pair.ways}
        if found.name not in meant:
            return f"answered by pod {found.name}"
        if expected is Expected.MIXED:
            allowed = zip(pair.ways, self._verdicts(pair), strict=True)
            if not any(verdict for way, verdict in allowed if way.pod.name == found.name):
                return f"answered by pod {found.name}, which is denied"
        return ""


def _place(source: Source) -> Place:
    if source.kind == NODE:
        return NodePlace(source.name)
    namespace, _, name = source.name.partition("/")
    return PodPlace(namespace, name)


def _fault(expected: Expected, outcome: Outcome) -> str:
    """How what came differs from what was expected."""
    if expected in (Expected.MIXED, Expected.UNKNOWN):
        return ""
    if outcome is Outcome.UNTRIED:
        return f"expected {expected.value}, could not be tried"
    passed = outcome is Outcome.ANSWERED if expected is Expected.NOBODY else outcome.passed
    return f"expected {expected.value}, {outcome.value}" if passed is not expected.answer else ""


def differences(cells: Sequence[Cell]) -> list[Cell]:
    """The cells in which expected and observed differ."""
    return [cell for cell in cells if cell.fault]
