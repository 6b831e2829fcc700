"""healthCheckNodePort: every node tells load balancers whether it has endpoints of a Service, over HTTP.

As kube-proxy does: 200 and how many ready endpoints are on the node, 503 where none is. EndpointSlices are followed
from the moment that the first Service has such a port: most clusters have none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

from k8sshim.client import Deleted, Event, Handler, Synced
from k8sshim.errors import PodwireError
from k8sshim.objects import EndpointSlice, Key, Service
from topo.agent.entry import NamespaceEntry
from topo.plan import PlannedNode

log = logging.getLogger(__name__)
_LONGEST_REQUEST = 16 * 1024
_BACKLOG = 64


class HealthChecks:
    """The health check ports of an agent's nodes; used in the event loop's thread alone."""

    def __init__(
        self,
        nodes: Sequence[PlannedNode],
        entry: NamespaceEntry,
        follow_slices: Callable[[Handler], None],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._nodes = nodes
        self._entry = entry
        self._follow_slices = follow_slices
        self._changed = changed  # called when `ports` has become different
        self._following = False
        self._ports: dict[Key, int] = {}  # as the Services have them
        self._served: dict[Key, tuple[int, list[asyncio.Server]]] = {}
        self._ready: dict[Key, dict[Key, list[tuple[str, str]]]] = {}  # Service -> slice -> node and address
        self._serving = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def observe(self, key: Key, service: Service | None) -> None:
        """A Service appeared, changed or went (None)."""
        port = service.health_check_port if service else 0
        if port == self._ports.get(key, 0):
            return
        if port:
            self._ports[key] = port
        else:
            del self._ports[key]
        if port and not self._following:
            self._following = True
            self._follow_slices(self.handle)
        task = asyncio.ensure_future(self._serve(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def handle(self, event: Event) -> None:
        """Take in what an informer of EndpointSlices tells."""
        if isinstance(event, Synced):
            return
        one = EndpointSlice.parse(event.raw)
        if one.service is None:
            return
        slices = self._ready.setdefault(one.service, {})
        slices.pop(one.key, None)
        if not isinstance(event, Deleted):
            slices[one.key] = [(e.node, e.addresses[0]) for e in one.endpoints if e.ready and e.addresses]
        if not slices:
            del self._ready[one.service]

    def ports(self) -> list[int]:
        """The health check ports that there are."""
        return list(self._ports.values())

    def local(self, key: Key, node: str) -> int:
        """How many ready endpoints of the Service are on the node."""
        found = {where for slices in self._ready.get(key, {}).values() for where in slices if where[0] == node}
        return len(found)

    async def _serve(self, key: Key) -> None:
        """Listen as the Service has it by now."""
        async with self._serving:
            port, (served, servers) = self._ports.get(key, 0), self._served.pop(key, (0, []))
            if port == served:
                self._served[key] = (served, servers)
                return
            await self._changed()
            for server in servers:
                server.close()
            if port:
                self._served[key] = (
                    port,
                    [server for node in self._nodes for server in await self._open(key, node, port)],
                )

    async def _open(self, key: Key, node: PlannedNode, port: int) -> list[asyncio.Server]:
        addresses = [str(address) for address in node.addresses]
        try:
            sockets = await self._entry.run(node.namespace, partial(_listen, addresses, port))
        except (OSError, PodwireError) as error:
            log.warning("node %s: health check port %d of Service %s: %s", node.name, port, key, error)
            return []
        loop = asyncio.get_running_loop()
        respond = partial(self._respond, key, node.name)
        return [await loop.create_server(lambda: _Answering(respond), sock=one) for one in sockets]

    def _respond(self, key: Key, node: str) -> bytes:
        return response(key, self.local(key, node))


def response(service: Key, local: int) -> bytes:
    """The whole answer to whatever was asked."""
    told = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": local,
        "serviceProxyHealthy": True,
    }
    content = json.dumps(told, indent="\t").encode()
    lines = [
        f"HTTP/1.1 {'200 OK' if local else '503 Service Unavailable'}",
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        f"X-Load-Balancing-Endpoint-Weight: {local}",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for address in addresses:
            one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            one.listen(_BACKLOG)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


class _Answering(asyncio.Protocol):
    """One connection: one request, whatever it is, and its answer."""

    def __init__(self, respond: Callable[[], bytes]) -> None:
        self._respond = respond
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" in self._received:
            self._transport.write(self._respond())
            self._transport.close()
        elif len(self._received) > _LONGEST_REQUEST:
            self._transport.close()
