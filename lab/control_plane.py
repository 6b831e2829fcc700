"""The control plane's place in the network: its namespace, and the API's listening socket in there.

Both are there before the topology is, so that the API server starts with everything that it listens on: the namespace
is first of all, and a socket may be bound to an address that an interface will have later (IP_FREEBIND).
"""

from __future__ import annotations

import socket

from k8sshim.cluster import CONTROL_PLANE, Cluster
from topo.syscalls import SYSCTLS, create_namespace, inside

API_PORT = 6443
_IP_FREEBIND = 15  # <linux/in.h>; Python has no name for it
_BACKLOG = 512


def listening_sockets(cluster: Cluster) -> tuple[socket.socket, ...]:
    """Make the control plane's namespace; a socket for each of its addresses. Raises OSError."""
    host = cluster.host(CONTROL_PLANE)
    if host is None:
        return ()
    create_namespace(CONTROL_PLANE, SYSCTLS)
    with inside(CONTROL_PLANE):
        return tuple(map(_listen, host.addresses))


def _listen(address: str) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((address, API_PORT))
    found.listen(_BACKLOG)
    return found
