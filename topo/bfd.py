"""Which links speak BFD: those that another way can take the place of, where somebody would notice. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import networkx

from .fabric import LinkEnd
from .plan import Plan


def watched(plan: Plan) -> Iterator[LinkEnd]:
    """The ends of the links that speak BFD: veth links without which their two switches would still be joined."""
    if not plan.spec.failover.bfd_interval_ms or all(map(plan.is_patch, plan.links)):
        return
    graph = networkx.Graph((link.a.switch, link.b.switch) for link in plan.links)
    only = {frozenset(pair) for pair in networkx.bridges(graph)}
    for link in plan.links:
        if not plan.is_patch(link) and frozenset((link.a.switch, link.b.switch)) not in only:
            yield from (link.a, link.b)


def settings(plan: Plan, switches: tuple[str, ...]) -> list[str]:
    """The words for ovs-vsctl that have these switches' ports speak BFD; none where none does."""
    interval = plan.spec.failover.bfd_interval_ms
    said = ("bfd:enable=true", f"bfd:min_tx={interval}", f"bfd:min_rx={interval}")
    ends = [end for end in watched(plan) if end.switch in switches]
    return [word for end in ends for word in ("--", "set", "Interface", end.interface, *said)]
