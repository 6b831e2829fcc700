"""`podwire policy explain`: which rules of which policies let a connection pass or not, on each of its sides.

The verdict is the oracle's, over the objects that a lab's API holds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from experiments.policy.explaining_ways import Way, ways
from experiments.policy.explaining_words import Words
from experiments.policy.oracle import Miss, Oracle, Place, Reason, Side, Verdict
from k8sshim.objects import Raw
from lab.tracing.network import Network
from lab.tracing.packet import Packet


@dataclass(frozen=True)
class Judged:
    """One way of the connection with what policies say of it."""

    way: Way
    verdict: Verdict
    misses: tuple[tuple[Miss, ...], tuple[Miss, ...]]  # of egress, of ingress: where the pod is isolated


@dataclass(frozen=True)
class Explanation:
    """A connection, and what policies say of each way that it may take."""

    packet: Packet
    judged: tuple[Judged, ...]
    note: str
    words: Words

    @property
    def allowed(self) -> bool | None:
        """Whether every way is allowed; None where there is no way."""
        return all(one.verdict.allowed for one in self.judged) if self.judged else None

    def raw(self) -> dict[str, Any]:
        """As JSON. `egress` and `ingress` stand where there is one way; `ways` has all."""
        target, told = self.packet.target, [self._raw(one) for one in self.judged]
        found = {
            "from": self.packet.sender.name,
            "to": target.name,
            "address": target.address,
            "port": target.port or None,
            "protocol": target.protocol,
            "allowed": self.allowed,
        }
        sides = {key: told[0][key] for key in ("egress", "ingress")} if len(told) == 1 else {}
        return {**found, **sides, "ways": told, "note": self.note}

    def _raw(self, one: Judged) -> dict[str, Any]:
        way = one.way
        egress, ingress = one.verdict.egress, one.verdict.ingress
        return {
            "to": self.words.who(way.target),
            "address": way.target.text,
            "port": way.port or None,
            "through": way.through,
            "seen_as": self.words.who(way.seen_as),
            "allowed": one.verdict.allowed,
            "egress": self.words.side_raw(egress, one.misses[0]),
            "ingress": self.words.side_raw(ingress, one.misses[1]),
        }

    def lines(self) -> list[str]:
        """For a person."""
        target, port = self.packet.target, f":{self.packet.target.port}" if self.packet.target.port else ""
        outcome = {True: "allowed", False: "denied", None: "not judged"}[self.allowed]
        passed = sum(one.verdict.allowed for one in self.judged)
        if 0 < passed < len(self.judged):
            outcome = f"allowed on {passed} of {len(self.judged)} ways"
        asked = f" ({target.address}{port})" if target.name != target.address else port
        found = [f"{self.packet.sender.name} to {target.name}{asked}, {target.protocol}: {outcome}"]
        found += [self.note] if self.note else []
        for one in self.judged:
            found += self._way_lines(one)
        return found

    def _way_lines(self, one: Judged) -> list[str]:
        way, found = one.way, []
        if way.through:
            port = f":{way.port}" if way.port else ""
            seen = self.words.who(way.seen_as)
            seen = f", which sees {seen}" if way.goes_to != way.target else ""
            outcome = "allowed" if one.verdict.allowed else "denied"
            found.append(
                f"through {way.through} to {self.words.who(way.target)} ({way.target.text}{port}){seen}: {outcome}"
            )
        for direction, side, misses in zip(
            ("egress", "ingress"), (one.verdict.egress, one.verdict.ingress), one.misses, strict=True
        ):
            found += [f"  {line}" for line in self.words.side(direction, side, misses)]
        return found


def explain(network: Network, packet: Packet, raws: Iterable[Raw]) -> Explanation:
    """What the policies among the objects say of a connection."""
    everything = list(raws)
    oracle, asked = Oracle(everything), ways(network, packet)
    judged = tuple(_judge(oracle, asked.source, way, packet.target.protocol) for way in asked.found)
    return Explanation(packet, judged, asked.note, Words(network, everything))


def _judge(oracle: Oracle, source: Place, way: Way, protocol: str) -> Judged:
    """Where the target sees another than the source, each side is asked about what it sees."""
    out = oracle.verdict(source, way.goes_to, way.goes_to_port, protocol)
    into = out
    if (way.goes_to, way.goes_to_port, way.seen_as) != (way.target, way.port, source):
        into = oracle.verdict(way.seen_as, way.target, way.port, protocol)
    egress = out.egress
    missed = oracle.misses("egress", source, way.goes_to, way.goes_to_port, protocol) if _isolated(egress) else ()
    missing = oracle.misses("ingress", way.seen_as, way.target, way.port, protocol) if _isolated(into.ingress) else ()
    return Judged(way, Verdict(egress, into.ingress), (missed, missing))


def _isolated(side: Side) -> bool:
    return side.why is Reason.ISOLATED
