"""`exec`, `attach` and `portforward` for clients older than WebSockets: the connection itself becomes one of SPDY/3.1.

HTTP's `Upgrade` takes the connection out of uvicorn's hands; from then on its bytes are the session's. What streams
there are tells their header `streamtype`
(https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from k8sshim import frames
from k8sshim.objects import Raw
from k8sshim.server.routing import Target
from k8sshim.server.status import bad_request

from .nodes import Nodes, container_of
from .spdy import Answer, Data, Opened, Reset, Session
from .tunnel import Tunnel

CONNECTION = "connection"  # in a request's state: uvicorn's protocol object
_VERSION = "x-stream-protocol-version"
_EXEC, _FORWARD = ("v4.channel.k8s.io",), ("portforward.k8s.io",)
_CHANNELS = {"stdin": frames.STDIN, "stdout": frames.STDOUT, "stderr": frames.STDERR}
_CHANNELS |= {"error": frames.ERROR, "resize": frames.RESIZE}
_TRUE = ("true", "1")
_CHUNK = 64 * 1024
_OPENED_WITHIN_S = 30.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def wanted(request: Request) -> bool:
    return request.headers.get("upgrade", "").lower() == "spdy/3.1"


async def answer(nodes: Nodes, target: Target, request: Request) -> Response:
    """Serve the stream until its end. Raises ApiError before the connection is taken over."""
    pod, query = nodes.pod(target), request.query_params
    if target.subresource == "portforward":

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _forward(nodes, pod, reader, writer)

        return await _taken_over(request, _agreed(request, _FORWARD), forward)
    asked: Raw = {"do": target.subresource, "container": container_of(pod, query.get("container") or "")}
    asked |= {name: query.get(name) in _TRUE for name in ("stdin", "stdout", "stderr", "tty")}
    asked["command"] = query.getlist("command")
    version = _agreed(request, _EXEC)
    node_reader, node_writer = await nodes.ask(pod, asked)

    async def command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Command(asked, reader, writer).run(node_reader, node_writer)
        finally:
            node_writer.close()

    return await _taken_over(request, version, command)


def _agreed(request: Request, known: tuple[str, ...]) -> str:
    offered = [one.strip() for each in request.headers.getlist(_VERSION) for one in each.split(",")]
    agreed = next((each for each in offered if each in known), None)
    if agreed is None:
        raise bad_request(f"none of the protocols {offered} is served; known are {', '.join(known)}")
    return agreed


async def _taken_over(request: Request, version: str, serve: Serve) -> Response:
    """Take the connection from uvicorn, which is told that the client is gone, and serve it."""
    connection: Any = getattr(request.state, CONNECTION)
    transport, loop = connection.transport, asyncio.get_running_loop()
    connection.connections.discard(connection)
    connection.cycle.disconnected = True
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    head = (
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n{_VERSION}: {version}\r\n\r\n"
    )
    writer.write(head.encode())
    try:
        with suppress(ConnectionError, ValueError, asyncio.TimeoutError):  # it ended, or it is no SPDY
            await serve(reader, writer)
            await writer.drain()
    finally:
        writer.close()
    return Response()


async def _forward(nodes: Nodes, pod: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    tunnel = Tunnel(nodes, pod, send)
    try:
        while data := await reader.read(_CHUNK):
            await tunnel.feed(data)
    finally:
        tunnel.close()


class _Command:
    """A remote command between a client that speaks SPDY and a node that speaks frames."""

    def __init__(self, asked: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._expected = 1 + sum(bool(asked[name]) for name in ("stdin", "stdout"))
        self._expected += 1 if asked["tty"] else bool(asked["stderr"])
        self._reader, self._writer = reader, writer
        self._session = Session()
        self._streams: dict[int, int] = {}  # channel -> stream
        self._opened = asyncio.Event()

    async def run(self, node_reader: asyncio.StreamReader, node_writer: asyncio.StreamWriter) -> None:
        listening = asyncio.create_task(self._listen(node_writer))
        try:
            await asyncio.wait_for(self._opened.wait(), _OPENED_WITHIN_S)
            async for channel, data in frames.frames(node_reader):
                await self._tell(channel, data)
            for stream in self._streams.values():
                self._writer.write(self._session.data(stream, b"", finished=True))
            await self._writer.drain()
            with suppress(asyncio.TimeoutError):  # the client closes once it has read all
                await asyncio.wait_for(listening, 1.0)
        finally:
            listening.cancel()

    async def _tell(self, channel: int, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is not None:
            self._writer.write(self._session.data(stream, data))
            await self._writer.drain()

    async def _listen(self, node_writer: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(_CHUNK):
            for event in self._session.feed(data):
                if isinstance(event, Opened):
                    self._open(event.stream, event.headers)
                elif isinstance(event, Answer):
                    self._writer.write(event.frame)
                else:
                    self._hear(event, node_writer)
            await node_writer.drain()
        node_writer.close()

    def _open(self, stream: int, headers: Mapping[str, str]) -> None:
        self._writer.write(self._session.reply(stream))
        channel = _CHANNELS.get(headers.get("streamtype", ""))
        if channel is not None:
            self._streams[channel] = stream
        if len(self._streams) >= self._expected:
            self._opened.set()

    def _hear(self, event: Data | Reset, node_writer: asyncio.StreamWriter) -> None:
        channel = next((name for name, stream in self._streams.items() if stream == event.stream), None)
        if channel not in (frames.STDIN, frames.RESIZE):
            return
        if isinstance(event, Data) and event.data:
            node_writer.write(frames.frame(channel, event.data))
        if channel == frames.STDIN and (isinstance(event, Reset) or event.finished):
            node_writer.write(frames.frame(channel, b""))
