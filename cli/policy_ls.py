"""`podwire policy ls`: policies, whom they select, and what their rules have let through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.arguments import AsJson, LabName, print_json
from cli.tables import console

if TYPE_CHECKING:
    from lab.tracing.policy_counters import Count, PolicyUse, RuleUse

_DEEDS = {"Allow": "allowed", "Deny": "denied", "Pass": "passed"}
DIRECTIONS = ("ingress", "egress")
_WIDTH = 80
_NAME = 28  # columns for what a rule's author calls it


def list_policies(
    name: LabName,
    wide: Annotated[bool, typer.Option("--wide", help="Name the pods that each policy selects.")] = False,
    as_json: AsJson = False,
) -> None:
    """List each policy in the order of their tiers, with the connections and packets that its rules have met.

    A client that is denied sends again, and each time counts as a connection.
    """
    from lab import state
    from lab.tracing import policy_counters, tracer

    network, switches = tracer.connect(state.find(name))
    uses = policy_counters.uses(network, tracer.count_policies(network, switches))
    if as_json:
        print_json([use.raw for use in uses])
    else:
        print_policies(uses, wide=wide)


def print_policies(uses: Sequence[PolicyUse], *, wide: bool) -> None:
    """A paragraph a policy: what it is, and a line for each of its rules and for whom it isolates."""
    if not uses:
        console().print("no policies")
        return
    lines = [f"[bold]{'connections':>65}{'packets':>13}[/]"]
    lines += [line for use in uses for line in _lines(use, wide)]
    console().print("\n".join(lines), soft_wrap=True)


def _lines(use: PolicyUse, wide: bool) -> Iterator[str]:
    one, count = use.policy, len(use.pods)
    tier = "" if one.kind == "NetworkPolicy" else f"tier {one.tier.value}"
    priority = "" if use.priority is None else f"priority {use.priority}"
    words = [f"[bold]{escape(str(one))}[/]", tier, priority, f"{count} pod{'s' * (count != 1)}"]
    yield "  ".join(filter(None, words))
    if wide and use.pods:
        yield from wrap(", ".join(use.pods), _WIDTH - 1, initial_indent="  ", subsequent_indent="  ")
    isolated = dict(use.isolated)
    for direction in DIRECTIONS:
        for rule in use.rules:
            if rule.place.startswith(direction):
                yield _row(rule.place, _DEEDS[rule.action], _called(rule), rule.count)
        if direction in isolated:
            yield _row(direction, "denied", "what no rule allowed", isolated[direction])


def _row(place: str, deed: str, called: str, count: Count) -> str:
    cells = f"  {place:<13}{deed:<9}{called:<{_NAME}}{count.connections:>13}{count.packets:>13}"
    return escape(cells)


def _called(rule: RuleUse) -> str:
    if not rule.matches:
        return "matches nothing now"
    return rule.name if len(rule.name) <= _NAME else f"{rule.name[: _NAME - 1]}…"
