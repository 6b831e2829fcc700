"""The fields `network` and `offload`: how pods' packets cross the fabric, how large they may be. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.cluster import FLAT
from k8sshim.objects import Raw

from .addressing import IPNetwork
from .fields import Fields, is_integer

# Bytes that a mode adds to a packet whose outer header is IPv4; IPv6's is 20 longer.
OVERHEAD = {FLAT: 0, "vxlan": 50, "geneve": 50, "gre": 42, "ipip": 20, "wireguard": 60}
MODES = tuple(OVERHEAD)
BRIDGED_MODE = "vxlan"  # one device that finds the other node by MAC: it can be a port of the bridge
LONGER_IPV6_HEADER = 20
ANSWER, SWALLOW = "answer", "swallow"
POD_MTUS = (68, 9000)  # RFC 791: what every link of IPv4 carries whole
LEAST_MTU = {4: POD_MTUS[0], 6: 1280}  # RFC 8200, 5


@dataclass(frozen=True)
class NetworkSpec:
    """The pod network."""

    mode: str = FLAT
    pod_mtu: int | None = None  # bytes; None: as large as fits
    path_mtu_discovery: str = ANSWER

    def overhead(self, nodes: Iterable[IPNetwork]) -> int:
        """Bytes that the mode adds to every packet between nodes of these networks."""
        outer = LONGER_IPV6_HEADER if next(iter(nodes)).version == 6 else 0
        return OVERHEAD[self.mode] + (outer if self.mode != FLAT else 0)

    def to_raw(self) -> Raw:
        return {"mode": self.mode, "podMtu": self.pod_mtu or "auto", "pathMtuDiscovery": self.path_mtu_discovery}


USUAL_NETWORK = NetworkSpec()


def parse_network(spec: Fields) -> NetworkSpec:
    """The field `network`."""
    fields = spec.fields("network")
    network = NetworkSpec(
        fields.choice("mode", MODES, FLAT),
        _parse_pod_mtu(fields),
        fields.choice("pathMtuDiscovery", (ANSWER, SWALLOW), ANSWER),
    )
    fields.close()
    return network


def too_small(mtu: int, pods: Iterable[IPNetwork]) -> str:
    """Why pods of these ranges cannot have this MTU; "" where they can."""
    least = max(LEAST_MTU[network.version] for network in pods)
    return f"{mtu} is too small: IPv{6 if least > POD_MTUS[0] else 4} needs {least}" if mtu < least else ""


def parse_offload(spec: Fields, usual: bool) -> bool:
    """The field `offload`, on or off; YAML reads both words as true and false."""
    value = spec.take("offload")
    if value is not None and value not in (True, False, "on", "off"):
        spec.wrong("offload", f"must be on or off, not {value!r}")
    return usual if value is None else value in (True, "on")


def _parse_pod_mtu(fields: Fields) -> int | None:
    value = fields.take("podMtu")
    if value in (None, "auto"):
        return None
    if is_integer(value) and POD_MTUS[0] <= value <= POD_MTUS[1]:
        return int(value)
    fields.wrong("podMtu", f"must be auto or a number from {POD_MTUS[0]} to {POD_MTUS[1]}, not {value!r}")
    return None
