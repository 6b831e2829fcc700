"""Whether this machine's kernel has what a cluster needs: a sweep leaves out, and names, labs that it cannot make."""

from __future__ import annotations

from functools import cache

from lab import doctor, needs
from lab.features import FEATURES
from topo.spec import ClusterSpec


def lacking(cluster: ClusterSpec) -> str:
    """What this machine lacks for the cluster, in words; "" for nothing."""
    missing = [need for need in needs.needs(cluster) if not _has(need.feature)]
    return ", ".join(f"{need.field} needs {need.feature}, which this kernel does not have" for need in missing)


@cache
def _has(name: str) -> bool:
    return next(doctor.try_out(feature).found for feature in FEATURES if feature.name == name)
