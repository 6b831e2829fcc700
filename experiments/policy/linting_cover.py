"""Whether one policy allows all that another does: of selectors, peers, ports and rules. Pure.

"Yes" is certain; "no" may be a yes that takes more than comparing what is written, such as two rules that together
allow what a third does.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from k8sshim.policies import NAME_LABEL, Block, Peer, PodGroup, Policy, PolicyPort, Rule
from k8sshim.selectors import Operator, Requirement, Selector


def selector_covers(wide: Selector, narrow: Selector) -> bool:
    """Whether all that `narrow` selects `wide` selects too: each of its requirements follows from one of the other."""
    if wide.requirements is None or narrow.requirements is None:
        return narrow.requirements is None
    return all(any(_follows(one, other) for other in narrow.requirements) for one in wide.requirements)


def _follows(wanted: Requirement, given: Requirement) -> bool:
    """Whether what has the one property has the other, too."""
    values, others = set(wanted.values), set(given.values)
    return wanted.key == given.key and {
        (Operator.IN, Operator.IN): others <= values,
        (Operator.EXISTS, Operator.IN): True,
        (Operator.NOT_IN, Operator.IN): not others & values,
        (Operator.NOT_IN, Operator.NOT_IN): values <= others,
        (Operator.NOT_IN, Operator.DOES_NOT_EXIST): True,
    }.get((wanted.operator, given.operator), wanted == given)


def selects_all_of(wide: Policy, narrow: Policy) -> bool:
    """Whether it is about every pod that the other, of the same namespace, is about."""
    same = wide.key.namespace == narrow.key.namespace
    return same and selector_covers(wide.subject.pods, narrow.subject.pods)


def rule_covers(wide: Rule, narrow: Rule) -> bool:
    """Whether all that the one rule allows the other allows too."""
    peers = wide.peers is None or (
        narrow.peers is not None and all(any(_peer_covers(one, other) for one in wide.peers) for other in narrow.peers)
    )
    ports = wide.ports is None or (
        narrow.ports is not None and all(any(_port_covers(one, other) for one in wide.ports) for other in narrow.ports)
    )
    return peers and ports


def _peer_covers(wide: Peer, narrow: Peer) -> bool:
    if wide.block is not None and narrow.block is not None:
        return _block_covers(wide.block, narrow.block)
    return wide.pods is not None and narrow.pods is not None and _group_covers(wide.pods, narrow.pods)


def _group_covers(wide: PodGroup, narrow: PodGroup) -> bool:
    if not selector_covers(wide.pods, narrow.pods):
        return False
    if wide.namespaces is None:
        return narrow.namespaces is None and wide.namespace == narrow.namespace
    if narrow.namespaces is not None:
        return selector_covers(wide.namespaces, narrow.namespaces)
    by_name = all(one.key == NAME_LABEL for one in wide.namespaces.requirements or ())
    return by_name and wide.namespaces.matches({NAME_LABEL: narrow.namespace})


def _block_covers(wide: Block, narrow: Block) -> bool:
    """Within it, and what it leaves out the other leaves out or does not have."""
    return block_within(narrow.cidr, wide.cidr) and all(
        not ip_network(gap, strict=False).overlaps(ip_network(narrow.cidr, strict=False))
        or any(block_within(gap, other) for other in narrow.excepted)
        for gap in wide.excepted
    )


def block_within(inner: str, outer: str) -> bool:
    """Whether a range of addresses lies within another."""
    one, two = ip_network(inner, strict=False), ip_network(outer, strict=False)
    if isinstance(one, IPv4Network) and isinstance(two, IPv4Network):
        return one.subnet_of(two)
    return isinstance(one, IPv6Network) and isinstance(two, IPv6Network) and one.subnet_of(two)


def _port_covers(wide: PolicyPort, narrow: PolicyPort) -> bool:
    if wide.protocol != narrow.protocol:
        return False
    if wide.port is None or wide == narrow:
        return True
    if not isinstance(wide.port, int) or not isinstance(narrow.port, int):
        return False
    return wide.port <= narrow.port and (narrow.last or narrow.port) <= (wide.last or wide.port)
