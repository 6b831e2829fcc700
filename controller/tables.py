"""The stages that a packet passes, in order: the only place where a table has a number.

Node bridges have all stages, fabric switches one. Numbers are ten apart, so that a stage that is added later moves none
of the others. A stage whose `default` is NEXT hands on what none of its flows matches; the others drop it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Default(Enum):
    """What becomes of a packet that no flow of the stage matches."""

    NEXT = "goes to the next stage"
    DROP = "is dropped"


@dataclass(frozen=True)
class Table:
    """A stage: its name for people, its number for switches."""

    name: str
    number: int
    purpose: str
    default: Default = Default.NEXT

    def __str__(self) -> str:
        return self.name


NEXT, DROP = Default.NEXT, Default.DROP
_ROUTING = "Chooses port and MACs by the destination, and takes one from the TTL."
_STAGES = (
    ("Classifier", "Where the packet entered (pod, node, uplink), and the bridge's conntrack zones.", DROP),
    ("ArpResponder", "Answers ARP requests of pods and nodes with the bridge's MAC; all other ARP is dropped.", NEXT),
    ("SpoofGuard", "A port may send from its own MAC and address only, to the bridge's MAC.", DROP),
    ("Conntrack", "Answers pings to gateways, turns back what has no TTL left, looks up connections.", DROP),
    (
        "ConntrackState",
        "New connections go on to Services and policy, known ones to Routing; invalid ones are dropped.",
        NEXT,
    ),
    ("ServiceAffinity", "Clients that stay with their endpoint (session affinity).", NEXT),
    (
        "ServiceLoadBalancing",
        "A new connection to a Service gets an endpoint, or is refused where there is none.",
        NEXT,
    ),
    (
        "EndpointDnat",
        "Translates the destination to the endpoint that the registers hold, for the whole connection.",
        NEXT,
    ),
    ("EgressPolicy", "What NetworkPolicies allow the source to send; sees the endpoint's address.", NEXT),
    ("EgressDefault", "Drops what an isolated source sends without its being allowed.", NEXT),
    ("Routing", _ROUTING, DROP),
    ("Snat", "Gives a client that reached itself through a Service its gateway's address as source.", NEXT),
    ("IngressPolicy", "What NetworkPolicies allow the destination to receive; sees the client pod's address.", NEXT),
    ("IngressDefault", "Drops what an isolated destination gets without its being allowed.", NEXT),
    ("ConntrackCommit", "Remembers a new connection that was not translated.", NEXT),
    ("Output", "Sends the packet out of the port that Routing chose.", DROP),
)

NODE_TABLES = tuple(Table(name, 10 * place, purpose, default) for place, (name, purpose, default) in enumerate(_STAGES))

(
    CLASSIFIER,
    ARP_RESPONDER,
    SPOOF_GUARD,
    CONNTRACK,
    CONNTRACK_STATE,
    SERVICE_AFFINITY,
    SERVICE_LOAD_BALANCING,
    ENDPOINT_DNAT,
    EGRESS_POLICY,
    EGRESS_DEFAULT,
    ROUTING,
    SNAT,
    INGRESS_POLICY,
    INGRESS_DEFAULT,
    CONNTRACK_COMMIT,
    OUTPUT,
) = NODE_TABLES

FABRIC_ROUTING = Table(
    "Routing", 0, "Chooses port and MACs by the destination, and takes one from the TTL.", Default.DROP
)
FABRIC_TABLES = (FABRIC_ROUTING,)


def after(table: Table) -> Table | None:
    """The stage that follows on a node bridge."""
    later = [candidate for candidate in NODE_TABLES if candidate.number > table.number]
    return later[0] if later else None
