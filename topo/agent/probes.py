"""What a probe's results add up to. Pure.

Rules: "Configure Liveness, Readiness and Startup Probes" of the Kubernetes documentation. A verdict changes only after
`successThreshold` successes or `failureThreshold` failures in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from topo.agent.podspec import ContainerSpec, Probe

EAGER_PERIOD_S = 1.0


@dataclass(frozen=True)
class Tally:
    """Results so far; `verdict` is None until a threshold was reached."""

    successes: int = 0  # in a row
    failures: int = 0
    verdict: bool | None = None

    def after(self, success: bool, probe: Probe) -> Tally:
        """The tally with one more result."""
        if success:
            reached = self.successes + 1 >= probe.success_threshold
            return replace(self, successes=self.successes + 1, failures=0, verdict=True if reached else self.verdict)
        reached = self.failures + 1 >= probe.failure_threshold
        return replace(self, successes=0, failures=self.failures + 1, verdict=False if reached else self.verdict)


def pause_s(probe: Probe, tally: Tally, *, eager: bool) -> float:
    """How long until the next try.

    A readiness probe is `eager`: until its first success it is tried at least every second, so that a pod whose flows
    came a moment after its first try is not held back for a whole period.
    """
    if eager and tally.verdict is not True:
        return min(probe.period_s, EAGER_PERIOD_S)
    return probe.period_s


def port_number(probe: Probe, container: ContainerSpec) -> int | None:
    """The number of the port that the probe asks; None where its name is not declared."""
    if isinstance(probe.port, int):
        return probe.port
    if probe.port.isdigit():
        return int(probe.port)
    return next((port.number for port in container.ports if port.name == probe.port), None)
