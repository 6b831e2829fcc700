"""What policies cost: streams under a thousand of them, the flows that they come to, and how soon a change holds."""

from __future__ import annotations

from bench import policy_changes, policy_traffic
from bench.outcome import Outcome


def run() -> Outcome:
    """All of policies' benchmarks. Raises PodwireError where one could not be measured."""
    made = [policy_traffic.run(), policy_changes.run()]
    return Outcome(
        tuple(figure for one in made for figure in one.figures), tuple(note for one in made for note in one.notes)
    )
