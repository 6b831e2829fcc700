"""What policies have no say in: a pod and itself, a pod and its own node, answers, errors, the controller's packets.

Kubernetes: "a Pod cannot block access to itself", "traffic to and from the node where a Pod is running is always
allowed, regardless of the IP address of the Pod or the node". What an outside client sends through a node is not the
node's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, Goto, load
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge, LocalPort
from controller.marks import EXEMPT, SOURCE, Feature, Priority, Source
from controller.policy.entries import Itself
from controller.tables import CONNTRACK_COMMIT, EGRESS_ADMIN, INGRESS_ADMIN, ROUTING

FEATURE = Feature.EXEMPTIONS
PAST_POLICY: Actions = (load(EXEMPT, 1), Goto(ROUTING))


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """What a node itself sends; and whatever has been exempted on the way here."""
    if one.fabric:
        return
    yield owner.flow(EGRESS_ADMIN, Priority.EXEMPT, {SOURCE.name: Source.NODE}, *PAST_POLICY)
    yield owner.flow(INGRESS_ADMIN, Priority.EXEMPT, {EXEMPT.name: 1}, Goto(CONNTRACK_COMMIT))


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """What pods send to their own node."""
    if port.source is Source.NODE:
        to_node: Fields = {"eth_type": IP, SOURCE.name: Source.POD, "ipv4_dst": port.address}
        yield owner.flow(EGRESS_ADMIN, Priority.EXEMPT, to_node, *PAST_POLICY)


def itself(one: Itself, owner: Owner) -> Iterator[Flow]:
    """What a pod sends to itself: by a Service, since what it sends to its own address never leaves it."""
    own: Fields = {"eth_type": IP, SOURCE.name: Source.POD, "ipv4_src": one.address, "ipv4_dst": one.address}
    yield owner.flow(EGRESS_ADMIN, Priority.EXEMPT, own, *PAST_POLICY)
