"""Kubernetes' own NetworkPolicy tests, as scenarios that every tier can run: by its names, from what it says.

What each demands is in Kubernetes' test/e2e/network/netpol/network_policy.go. All of them are asked of the same nine
pods, so their truth tables are those for all pods of all three namespaces.
"""

from netpol import changes, egress, peers, ports
from netpol.model import BETWEEN
from netpol.protocols import USING_SCTP, USING_UDP

CONTEXTS = (BETWEEN, USING_UDP, USING_SCTP)
__all__ = ["BETWEEN", "CONTEXTS", "USING_SCTP", "USING_UDP", "changes", "egress", "peers", "ports"]
