"""Stand-ins: what answers for a container whose program is not on this host.

They cost sockets, not processes: bound in the pod's namespace (`listening`), served here by the agent's event loop.
They end as an ordinary server does: asked to, one takes no new clients, finishes what is open, and is killed at the end
of the grace period.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from typing import cast

from topo.agent.answers import Identity, Protocol, datagram, recognise
from topo.agent.conversation import Conversation
from topo.agent.listening import Listener
from topo.agent.workload import Exit, Hear

SILENCE_S = 1.0  # a client that says nothing for so long is told the name
UNDECIDED_S = 2.0  # how long to wait for the rest of what could become a request line; a lost part of it comes again
KILLED = Exit(137)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger


class Standin:
    """A running stand-in."""

    kind = "stand-in"

    def __init__(self, who: Identity) -> None:
        self.who = who
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[Exit] = self._loop.create_future()
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._streams: set[_Stream] = set()
        self._kill_timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, who: Identity, listeners: Sequence[Listener]) -> Standin:
        """Serve the listeners, which are its own from now on."""
        standin = cls(who)
        for listener in listeners:
            if listener.port.protocol == "UDP":
                transport, _ = await standin._loop.create_datagram_endpoint(
                    lambda: _Datagrams(who), sock=listener.socket
                )
                standin._datagrams.append(transport)
            else:
                factory = standin._stream
                standin._servers.append(await standin._loop.create_server(factory, sock=listener.socket))
        return standin

    def stop(self, grace_s: float) -> None:
        """Take nobody new, let connections end until the grace period does, and reset what is open then."""
        for server in self._servers:
            server.close()
        for transport in self._datagrams:
            transport.close()
        for stream in list(self._streams):
            stream.leave()
        self._end_if_alone(Exit(0))
        self._kill_at(self._loop.time() + grace_s)

    async def execute(self, argv: Sequence[str], timeout_s: float) -> bool:
        """The program that the command would ask is not here, so it is taken to be well."""
        return True

    def listen(self, hear: Hear) -> Callable[[], None]:
        """It says nothing."""
        return lambda: None

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def _kill_at(self, when: float) -> None:
        if self.exited.done() or (self._kill_timer and self._kill_timer.when() <= when):
            return
        if self._kill_timer:
            self._kill_timer.cancel()
        self._kill_timer = self._loop.call_at(when, self._kill)

    def _kill(self) -> None:
        for stream in self._streams:
            stream.reset()
        self._kill_timer = None

    def _stream(self) -> _Stream:
        return _Stream(self.who, self._streams.add, self._gone)

    def _gone(self, stream: _Stream) -> None:
        self._streams.discard(stream)
        if any(server.is_serving() for server in self._servers):
            return
        self._end_if_alone(KILLED if self._kill_timer is None else Exit(0))

    def _end_if_alone(self, how: Exit) -> None:
        if self._streams or self.exited.done():
            return
        if self._kill_timer:
            self._kill_timer.cancel()
        self.exited.set_result(how)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, who: Identity) -> None:
        self._who = who
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(datagram(self._who, addr[:2], data), addr)


class _Stream(asyncio.Protocol):
    """One TCP (or SCTP) connection, which turns out to speak HTTP or not."""

    def __init__(self, who: Identity, came: Callable[[_Stream], None], gone: Callable[[_Stream], None]) -> None:
        self._who = who
        self._came = came
        self._gone = gone
        self._received = b""
        self._protocol = Protocol.UNDECIDED
        self._conversation: Conversation | None = None
        self._leaving = False

    def leave(self) -> None:
        """Close where the client waits for nothing, or else once it has its answer; what is no HTTP may go on."""
        self._leaving = True
        if self._conversation:
            self._conversation.leaving = True
            if self._conversation.idle:
                self._transport.close()

    def reset(self) -> None:
        """End the connection now; its client is told by a reset."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._came(self)
        self._timer = asyncio.get_running_loop().call_later(SILENCE_S, self._transport.write, self._who.line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._gone(self)

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
            client, local = (self._transport.get_extra_info(name)[:2] for name in ("peername", "sockname"))
            self._conversation = Conversation(self._who, client, local, self._leaving)
        answer, closing = self._conversation.receive(data)
        if answer:
            self._transport.write(answer)
        if closing:
            self._transport.close()
