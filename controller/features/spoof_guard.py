"""Lets a port send as what it is: from its own MAC and address, to its bridge. The stage drops everything else."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import LocalPort
from controller.marks import Feature, Priority
from controller.tables import CONNTRACK, SPOOF_GUARD

FEATURE = Feature.SPOOF_GUARD


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """The one way through."""
    fields: Fields = {
        "eth_type": IP, "in_port": port.port,
        "eth_src": port.mac, "eth_dst": port.bridge_mac, "ipv4_src": port.address,
    }  # fmt: skip
    yield owner.flow(SPOOF_GUARD, Priority.NORMAL, fields, Goto(CONNTRACK))
