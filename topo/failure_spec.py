"""What a cluster description says of failures: how links that fall silent are noticed, and nodes that do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from k8sshim.objects import Raw

from .fields import Fields, is_integer

MAX_BFD_MS = 10_000
LEAST_BFD_MS = 10
MAX_SECONDS = 86_400
USUAL_RENEW_S, RENEWALS_A_SECOND = 5.0, 25  # of all nodes together, which a machine hardly notices
RENEWALS_A_LEASE = 4  # as Kubernetes has it: 40 s and 10 s


@dataclass(frozen=True)
class Failover:
    """Bidirectional forwarding detection (RFC 5880) on veth links that another way can take the place of."""

    bfd_interval_ms: int = 300  # 0: none; a third of what a switch may be held up by a busy machine

    def to_raw(self) -> Raw:
        return {"bfdIntervalMs": self.bfd_interval_ms}


@dataclass(frozen=True)
class NodeLease:
    """How long a node may be silent, in seconds."""

    duration_s: int
    renew_s: float
    evict_after_s: int = 30  # after which pods that say nothing of it leave a node that does not answer

    def to_raw(self) -> Raw:
        return {
            "durationSeconds": self.duration_s,
            "renewSeconds": self.renew_s,
            "evictAfterSeconds": self.evict_after_s,
        }


USUAL_FAILOVER = Failover()
USUAL_LEASE = NodeLease(round(RENEWALS_A_LEASE * USUAL_RENEW_S), USUAL_RENEW_S)


def usual_lease(nodes: int) -> NodeLease:
    """Of so many nodes: the more, the longer, since one machine renews them all."""
    renew_s = max(USUAL_RENEW_S, nodes / RENEWALS_A_SECOND)
    return NodeLease(round(RENEWALS_A_LEASE * renew_s), renew_s)


def parse_failover(spec: Fields) -> Failover:
    """The field `failover`."""
    fields = spec.fields("failover")
    value = fields.integer("bfdIntervalMs", Failover.bfd_interval_ms, 0, MAX_BFD_MS)
    if 0 < value < LEAST_BFD_MS:
        fields.wrong("bfdIntervalMs", f"must be 0 (no BFD) or from {LEAST_BFD_MS} to {MAX_BFD_MS}, not {value}")
    fields.close()
    return Failover(value)


def parse_lease(spec: Fields, nodes: int) -> NodeLease:
    """The field `nodeLease`."""
    fields, usual = spec.fields("nodeLease"), usual_lease(nodes)
    duration_s = fields.integer("durationSeconds", usual.duration_s, 1, MAX_SECONDS)
    renew_s = _seconds(fields, "renewSeconds", min(usual.renew_s, duration_s / RENEWALS_A_LEASE))
    if renew_s >= duration_s and not fields.problems.found:
        fields.wrong("renewSeconds", f"must be less than durationSeconds ({duration_s}), not {renew_s:g}")
    evict_after_s = fields.integer("evictAfterSeconds", usual.evict_after_s, 0, MAX_SECONDS)
    fields.close()
    return NodeLease(duration_s, renew_s, evict_after_s)


def _seconds(fields: Fields, name: str, default: float) -> float:
    value = fields.take(name)
    if value is None:
        return default
    if not (is_integer(value) or isinstance(value, float)):
        fields.wrong(name, f"must be a number, not {value!r}")
    elif not 0.1 <= value <= MAX_SECONDS:
        fields.wrong(name, f"must be from 0.1 to {MAX_SECONDS}, not {value}")
    else:
        return float(value)
    return default
