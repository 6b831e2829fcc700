"""Stand-ins: what answers for a container whose program is not on this host.

They cost sockets, not processes: bound in the pod's namespace (`listening`), served here by the agent's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from topo.agent.answers import Identity, Protocol, recognise
from topo.agent.conversation import Conversation
from topo.agent.listening import Listener
from topo.agent.workload import Exit

SILENCE_S = 1.0  # a client that says nothing for so long is told the name
UNDECIDED_S = 0.2  # how long to wait for the rest of what could become a request line


class Standin:
    """A running stand-in."""

    kind = "stand-in"

    def __init__(self, who: Identity) -> None:
        self.who = who
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._clients: set[asyncio.Transport] = set()

    @classmethod
    async def start(cls, who: Identity, listeners: Sequence[Listener]) -> Standin:
        """Serve the listeners, which are its own from now on."""
        standin = cls(who)
        loop = asyncio.get_running_loop()
        for listener in listeners:
            if listener.port.protocol == "UDP":
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(who), sock=listener.socket)
                standin._datagrams.append(transport)
            else:
                factory = standin._stream_factory(listener.port.number)
                standin._servers.append(await loop.create_server(factory, sock=listener.socket))
        return standin

    def stop(self, grace_s: float) -> None:
        """Close every socket: there is nothing that would need time to end."""
        for server in self._servers:
            server.close()
        for transport in (*self._datagrams, *self._clients):
            transport.close()
        if not self.exited.done():
            self.exited.set_result(Exit(0))

    async def execute(self, argv: Sequence[str], timeout_s: float) -> bool:
        """The program that the command would ask is not here, so it is taken to be well."""
        return True

    def _stream_factory(self, port: int) -> Callable[[], asyncio.Protocol]:
        return lambda: _Stream(self.who, port, self._clients)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, who: Identity) -> None:
        self._answer = who.pod.encode()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | bytes, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(self._answer, addr)


class _Stream(asyncio.Protocol):
    """One TCP (or SCTP) connection, which turns out to speak HTTP or not."""

    def __init__(self, who: Identity, port: int, clients: set[asyncio.Transport]) -> None:
        self._who = who
        self._port = port
        self._clients = clients
        self._received = b""
        self._protocol = Protocol.UNDECIDED
        self._conversation: Conversation | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._clients.add(self._transport)
        self._timer = asyncio.get_running_loop().call_later(SILENCE_S, self._transport.write, self._who.line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._clients.discard(self._transport)

    def pause_writing(self) -> None:  # a client that does not read is not read from
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._timer.cancel()
        if self._protocol is Protocol.UNDECIDED:
            self._received += data
            data = self._received
            self._protocol = recognise(data)
        if self._protocol is Protocol.UNDECIDED:
            self._timer = asyncio.get_running_loop().call_later(UNDECIDED_S, self._give_up_on_http)
        elif self._protocol is Protocol.HTTP:
            self._converse(data)
        else:
            self._transport.write(self._who.line)

    def _give_up_on_http(self) -> None:
        self._protocol = Protocol.OTHER
        self._transport.write(self._who.line)

    def _converse(self, data: bytes) -> None:
        if self._conversation is None:
            address, port = self._transport.get_extra_info("peername")[:2]
            self._conversation = Conversation(self._who, (address, port), self._port)
        answer, closing = self._conversation.receive(data)
        if answer:
            self._transport.write(answer)
        if closing:
            self._transport.close()
