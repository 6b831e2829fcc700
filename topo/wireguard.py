"""WireGuard between nodes: a key for each, made anew for every lab, and who may send what."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyroute2 import WireGuard

from .plan import PlannedNode

PORT = 51820


@dataclass(frozen=True)
class Keys:
    """By node."""

    private: dict[str, X25519PrivateKey]

    @classmethod
    def generate(cls, nodes: Iterable[str]) -> Keys:
        return cls({node: X25519PrivateKey.generate() for node in nodes})

    def private_of(self, node: str) -> str:
        """As WireGuard writes it."""
        return base64.b64encode(self.private[node].private_bytes_raw()).decode()

    def public_of(self, node: str) -> str:
        return base64.b64encode(self.private[node].public_key().public_bytes_raw()).decode()


def configure(device: str, node: PlannedNode, peers: Sequence[PlannedNode], keys: Keys) -> None:
    """Gives a device of the calling thread's namespace its key and its peers, each with what its node may send."""
    with WireGuard() as control:
        control.set(device, private_key=keys.private_of(node.name), listen_port=PORT)
        for peer in peers:
            control.set(device, peer=_peer(peer, keys))


def _peer(peer: PlannedNode, keys: Keys) -> dict[str, object]:
    own = [f"{address}/{address.max_prefixlen}" for address in peer.addresses]
    return {
        "public_key": keys.public_of(peer.name),
        "endpoint_addr": str(peer.addresses[0]),
        "endpoint_port": PORT,
        "allowed_ips": [*map(str, peer.pod_cidrs), *own],
    }
