"""Whether this machine's kernel has what a cluster needs: a sweep leaves out, and names, labs that it cannot make."""

from __future__ import annotations

from lab import needs
from topo.spec import ClusterSpec


def lacking(cluster: ClusterSpec) -> str:
    """What this machine lacks for the cluster, in words; "" for nothing."""
    missing = [need for need in needs.needs(cluster) if not needs.has(need.feature)]
    return ", ".join(f"{need.field} needs {need.feature}, which this kernel does not have" for need in missing)
