"""When a container is started again, and after how long. Pure.

Kubernetes' rules ("Pod Lifecycle", container restarts): the first restart is at once, then the delay doubles from
`base_s` up to `cap_s`, and a container that ran for twice the cap without ending starts afresh.
"""

from __future__ import annotations

from dataclasses import dataclass


def wanted(restart_policy: str, exit_code: int) -> bool:
    """Whether a container that ended is to be started again."""
    return restart_policy == "Always" or (restart_policy == "OnFailure" and exit_code != 0)


def policy_of(restart_policy: str, *, init: bool, sidecar: bool) -> str:
    """The policy that holds for a container: init containers run until they succeeded, sidecars for ever."""
    if sidecar:
        return "Always"
    return "OnFailure" if init and restart_policy == "Always" else restart_policy


@dataclass(frozen=True)
class Backoff:
    """How often in a row a container ended, and so how long to wait."""

    base_s: float = 10.0
    cap_s: float = 300.0
    ended: int = 0  # times in a row

    def after(self, ran_s: float) -> Backoff:
        """The back-off after an end that followed `ran_s` of running."""
        return Backoff(self.base_s, self.cap_s, 1 if ran_s >= 2 * self.cap_s else self.ended + 1)

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start."""
        if self.ended < 2:
            return 0.0
        return min(self.cap_s, self.base_s * float(2 ** min(self.ended - 2, 32)))
