"""What several labs of one run gave, as one: samples carry what was swept as labels. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from experiments.recording import Measured
from experiments.results import Failure, Labels
from experiments.sweep import words
from k8sshim.objects import Raw

LAB, LABS, LEFT_OUT = "lab", "labs", "left_out"


@dataclass
class Gathered:
    """What has come of the labs so far."""

    measured: Measured = field(default_factory=Measured)
    within: Raw = field(default_factory=dict)  # `lab`, the first one; `labs`, each by what was swept

    def add(self, labels: Labels, measured: Measured, within: Raw) -> None:
        """What one lab gave, and what it was measured in."""
        all_of, order = self.measured, len(self.measured.readings)
        began = max((one.started_s + one.seconds for one in all_of.readings), default=0.0)
        all_of.samples += (replace(one, labels=one.labels + labels) for one in measured.samples)
        all_of.failures += (replace(one, labels=one.labels + labels) for one in measured.failures)
        all_of.readings += (
            replace(one, labels=one.labels + labels, order=order + one.order, started_s=round(began + one.started_s, 4))
            for one in measured.readings
        )
        self.within.setdefault(LAB, within)
        if labels:
            self.within.setdefault(LABS, {})[words(labels)] = within

    def leave_out(self, labels: Labels, reason: str) -> None:
        """A lab that this machine cannot make."""
        self.within.setdefault(LEFT_OUT, {})[words(labels)] = reason

    def failed(self, labels: Labels, message: str) -> None:
        """A lab that did not come up, or could not be measured."""
        self.measured.failures.append(Failure(LAB, 0, labels, 1, message))
