"""Session affinity (ClientIP): a client stays with its endpoint until it has made no connection for the timeout.

Where a client's endpoint is chosen, the bridge learns a flow for it, which the bridge also forgets. It matches the
Service port's number, so a client has one endpoint at all the addresses that lead to the same endpoints. It may outlive
its endpoint for a moment: what EndpointDnat does not translate any more is chosen anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto, Resubmit
from controller.flows import IP, Fields, Flow, Owner
from controller.marks import SERVICE_PORT, Feature, Priority
from controller.services import Choice
from controller.tables import AFFINITY_CLIENTS, SERVICE_AFFINITY, SERVICE_LOAD_BALANCING

FEATURE = Feature.AFFINITY


def choice(one: Choice, owner: Owner) -> Iterator[Flow]:
    """Ask who the client's endpoint is; where nobody knows, it is chosen."""
    if one.affinity_s and one.backends:
        fields: Fields = {"eth_type": IP, SERVICE_PORT.name: one.number}
        ask = (Resubmit(AFFINITY_CLIENTS), Goto(SERVICE_LOAD_BALANCING))
        yield owner.flow(SERVICE_AFFINITY, Priority.SPECIFIC, fields, *ask)
