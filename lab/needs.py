"""What a cluster needs of this machine's kernel, tried before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from k8sshim.cluster import FLAT
from k8sshim.errors import BadInput, Problem
from lab.doctor import try_out
from lab.features import FEATURES
from topo.spec import ClusterSpec

HTB, NETEM = "HTB", "netem"
OF_MODE = {"vxlan": "VXLAN", "geneve": "Geneve", "gre": "GRE", "ipip": "IPIP", "wireguard": "WireGuard"}
_FEATURES = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True)
class Need:
    """A feature of the kernel, and the first field that asks for it."""

    feature: str
    field: str


def needs(cluster: ClusterSpec) -> Iterator[Need]:
    """Each feature once."""
    if cluster.network.mode != FLAT:
        yield Need(OF_MODE[cluster.network.mode], "network.mode")
    links = list(cluster.own_links)
    wanted = {
        HTB: (f"{field}.bandwidthMbit" for field, link in links if link.bandwidth_mbit),
        NETEM: (f"{field}.{link.needs_netem}" for field, link in links if link.needs_netem),
    }
    for feature, fields in wanted.items():
        if first := next(fields, ""):
            yield Need(feature, first)


def check(cluster: ClusterSpec, file: str = "", command: str = "podwire up") -> None:
    """Raises BadInput with what the kernel does not have; costs nothing where nothing is needed."""
    missing = [need for need in needs(cluster) if not has(need.feature)]
    if missing:
        raise BadInput(*(_problem(need, cluster, file, command) for need in missing))


@cache
def has(feature: str) -> bool:
    """Whether this machine's kernel has it, tried."""
    return try_out(_FEATURES[feature]).found


def without(feature: str, command: str) -> str:
    """What to say of it where the kernel does not."""
    return f"needs {feature}, which this kernel does not have; it has it in: podwire vm -- {command}"


def _problem(need: Need, cluster: ClusterSpec, file: str, command: str) -> Problem:
    return Problem(
        without(need.feature, command), file=file, object=f"Cluster {cluster.name}", field=f"spec.{need.field}"
    )
