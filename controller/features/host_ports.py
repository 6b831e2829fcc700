"""A port of a node leads to the pod that asked for it (hostPort), whoever the client is, who keeps its address.

Where a Service has the same node port, the Service wins. A port of the node's loopback (`hostIP: 127.0.0.1`) is for the
node itself, which sends what is meant for it here, with its own address as the source.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, Nat, load
from controller.flows import Flow, Owner
from controller.intents import HostPort
from controller.marks import ENDPOINT, SOURCE, TRANSLATED, ZONE, Endpoint, Feature, Priority, Source
from controller.tables import EGRESS_ADMIN, SERVICE_FRONT_END
from controller.translation import asked, untranslated_yet

FEATURE = Feature.HOST_PORTS


def host_port(one: HostPort, owner: Owner) -> Iterator[Flow]:
    """Translated on the spot: there is nothing to choose."""
    nat = Nat("dst", one.backend.address, one.backend.port)
    translate = Ct(ZONE.name, commit=True, nat=nat, load=((TRANSLATED.name, 1),), table=EGRESS_ADMIN)
    fields = asked(one.address, one.protocol, one.port)
    if one.address.startswith("127."):
        fields = {**fields, SOURCE.name: int(Source.NODE)}
    yield owner.flow(SERVICE_FRONT_END, Priority.NORMAL, fields, load(ENDPOINT, Endpoint.CHOSEN), translate)
    yield untranslated_yet(one.address, one.protocol, one.port, owner)
