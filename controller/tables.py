"""The stages that a packet passes, in order: the only place where a table has a number.

Node bridges have nearly all stages, fabric switches two of their own. Numbers are ten apart, so that a stage that is
added later moves none of the others. A stage whose `default` is NEXT hands on what none of its flows matches, one with
DROP drops it. One with RETURN is no step of the way: another stage asks it, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Default(Enum):
    """What becomes of a packet that no flow of the stage matches."""

    NEXT = "goes to the next stage"
    DROP = "is dropped"
    RETURN = "goes back to the stage that asked this one"


@dataclass(frozen=True)
class Table:
    """A stage: its name for people, its number for switches."""

    name: str
    number: int
    purpose: str
    default: Default = Default.NEXT

    def __str__(self) -> str:
        return self.name


NEXT, DROP, RETURN = Default.NEXT, Default.DROP, Default.RETURN
_ROUTING = "Chooses port and MACs by the destination, and takes one from the TTL."
_STAGES = (
    ("Classifier", "Where the packet entered (pod, node, uplink), and the bridge's conntrack zones.", DROP),
    ("ArpResponder", "Answers ARP requests of pods and nodes with the bridge's MAC; all other ARP is dropped.", NEXT),
    ("SpoofGuard", "A port may send from its own MAC and address only, to the bridge's MAC.", DROP),
    ("Conntrack", "Answers pings to gateways, turns back what has no TTL left, looks up connections.", DROP),
    (
        "ConntrackState",
        "New connections go on to Services, known ones to policy, answers to Routing; invalid ones are dropped.",
        NEXT,
    ),
    ("ServiceFrontEnd", "Which Service port a new connection is for, and who its client is.", NEXT),
    ("ServiceAffinity", "Asks, for Services with session affinity, who the client's endpoint is.", NEXT),
    ("AffinityClients", "Clients that stay with their endpoint: flows that the bridge learns and forgets.", RETURN),
    (
        "ServiceLoadBalancing",
        "A new connection to a Service port gets an endpoint, or is refused where there is none.",
        NEXT,
    ),
    ("EndpointSelection", "Names the endpoint of the slot that a hash of the packet chose.", NEXT),
    (
        "EndpointDnat",
        "Translates the destination to the endpoint that the registers hold, for the whole connection.",
        NEXT,
    ),
    ("EgressAdmin", "What the administrator lets the source send; sees the endpoint's address.", NEXT),
    ("EgressPolicy", "What NetworkPolicies allow the source to send.", NEXT),
    ("EgressDefault", "Denies what an isolated source sends without its being allowed.", NEXT),
    ("EgressBaseline", "What the administrator lets a source send that no NetworkPolicy isolates.", NEXT),
    ("Routing", _ROUTING, DROP),
    ("Snat", "Translates sources: of clients that reached themselves, and of what is seen as its node.", NEXT),
    ("IngressAdmin", "What the administrator lets the destination receive; sees the client pod's address.", NEXT),
    ("IngressPolicy", "What NetworkPolicies allow the destination to receive.", NEXT),
    ("IngressDefault", "Denies what an isolated destination gets without its being allowed.", NEXT),
    ("IngressBaseline", "What the administrator lets a destination receive that no NetworkPolicy isolates.", NEXT),
    ("ConntrackCommit", "Remembers a new connection that was not translated.", NEXT),
    ("Output", "Sends the packet out of the port that Routing chose.", DROP),
    ("Denied", "Where everything ends that a policy denies; new connections are told to the controller's log.", DROP),
)

_PATH_MTU = (
    "PathMtu",
    "Compares packets with what the way ahead carries, where that is less than somebody sends.",
    NEXT,
)
_TOO_LARGE = (
    "TooLarge",
    "What is larger goes to the controller, which tells the sender; not what will be cut up.",
    NEXT,
)
_DNAT_AGAIN = ("DnatAgain", "Goes back with a new connection that Open vSwitch found no free source port for.", NEXT)
_ADDED = {"EndpointDnat": (_DNAT_AGAIN,), "Routing": (_PATH_MTU, _TOO_LARGE)}  # later, by the stage that they follow


def _stages() -> Iterator[Table]:
    for place, (name, purpose, default) in enumerate(_STAGES):
        yield Table(name, 10 * place, purpose, default)
        for number, (added, why, otherwise) in enumerate(_ADDED.get(name, ()), 1):
            yield Table(added, 10 * place + 3 * number, why, otherwise)


NODE_TABLES = tuple(_stages())

(
    CLASSIFIER,
    ARP_RESPONDER,
    SPOOF_GUARD,
    CONNTRACK,
    CONNTRACK_STATE,
    SERVICE_FRONT_END,
    SERVICE_AFFINITY,
    AFFINITY_CLIENTS,
    SERVICE_LOAD_BALANCING,
    ENDPOINT_SELECTION,
    ENDPOINT_DNAT,
    DNAT_AGAIN,
    EGRESS_ADMIN,
    EGRESS_POLICY,
    EGRESS_DEFAULT,
    EGRESS_BASELINE,
    ROUTING,
    PATH_MTU,
    TOO_LARGE,
    SNAT,
    INGRESS_ADMIN,
    INGRESS_POLICY,
    INGRESS_DEFAULT,
    INGRESS_BASELINE,
    CONNTRACK_COMMIT,
    OUTPUT,
    DENIED,
) = NODE_TABLES

FABRIC_GUARD = Table(
    "Guard", 0, "At the border: answers hosts' ARP requests, and lets them send from their own MAC and addresses only."
)
FABRIC_PATH_MTU, FABRIC_TOO_LARGE = Table("PathMtu", 3, *_PATH_MTU[1:]), Table("TooLarge", 6, *_TOO_LARGE[1:])
FABRIC_ROUTING = Table("Routing", 10, _ROUTING, DROP)
FABRIC_TABLES = (FABRIC_GUARD, FABRIC_PATH_MTU, FABRIC_TOO_LARGE, FABRIC_ROUTING)


def after(table: Table) -> Table | None:
    """The stage that follows on the same kind of switch."""
    stages = FABRIC_TABLES if table in FABRIC_TABLES else NODE_TABLES
    later = [one for one in stages if one.number > table.number and one.default is not Default.RETURN]
    return later[0] if later else None
