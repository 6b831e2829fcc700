"""The outside host's server: a stand-in on port 80 of each of its addresses, by HTTP and UDP, that says who asked."""

from __future__ import annotations

import asyncio
import json
import socket
import time

from k8sshim.cluster import OUTSIDE, Cluster, Host
from k8sshim.objects import ContainerPort
from lab.components import CLUSTER, TOPOLOGY_READY
from topo.agent.answers import Identity
from topo.agent.listening import Listener
from topo.agent.standin import Standin
from topo.syscalls import inside

PORT = 80
_BACKLOG = 512
_LOOK_S = 0.02


def identity(host: Host) -> Identity:
    """Who answers: a host, which is no pod and on no node."""
    return Identity(OUTSIDE, "", "", "", host.addresses[0], OUTSIDE)


def listeners(host: Host) -> list[Listener]:
    """In the calling thread's namespace, a socket an address, so that who is asked is who answers. Raises OSError."""
    return [_bound(address, protocol) for address in host.addresses for protocol in ("TCP", "UDP")]


def _bound(address: str, protocol: str) -> Listener:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
    found.setblocking(False)
    if protocol == "TCP":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((address, PORT))
    if protocol == "TCP":
        found.listen(_BACKLOG)
    return Listener(ContainerPort("", PORT, protocol), found)


async def _serve(host: Host, sockets: list[Listener]) -> None:
    standin = await Standin.start(identity(host), sockets)
    await standin.exited


def main() -> None:
    """Serve in the outside host's namespace, once that is there."""
    while not TOPOLOGY_READY.exists():
        time.sleep(_LOOK_S)
    host = Cluster.parse(json.loads(CLUSTER.read_text())).host(OUTSIDE)
    if host is not None:
        with inside(OUTSIDE):
            sockets = listeners(host)
        asyncio.run(_serve(host, sockets))


if __name__ == "__main__":
    main()
