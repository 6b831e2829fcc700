"""`portforward` as kubectl asks for it since 1.31: SPDY streams in the messages of a WebSocket.

Every connection has a stream for its data and one for its error, which the header `requestid` brings together.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from k8sshim.objects import Raw
from k8sshim.server.status import ApiError

from .nodes import Nodes
from .spdy import Answer, Data, Opened, Reset, Session

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 64 * 1024

Send = Callable[[bytes], Awaitable[None]]


class Tunnel:
    """The streams of one client."""

    def __init__(self, nodes: Nodes, pod: Raw, send: Send) -> None:
        self._nodes = nodes
        self._pod = pod
        self._send = send
        self._session = Session()
        self._errors: dict[str, int] = {}  # request -> its error stream
        self._inputs: dict[int, asyncio.Queue[bytes | None]] = {}  # data stream -> what comes on it; None is its end
        self._tasks: set[asyncio.Task[None]] = set()

    async def feed(self, data: bytes) -> None:
        """Take in what the client sent. Raises ValueError for what is no SPDY."""
        for event in self._session.feed(data):
            if isinstance(event, Opened):
                await self._open(event)
            elif isinstance(event, Answer):
                await self._send(event.frame)
            elif event.stream in self._inputs:
                self._take(event)

    def _take(self, event: Data | Reset) -> None:
        queue = self._inputs[event.stream]
        if isinstance(event, Data) and event.data:
            queue.put_nowait(event.data)
        if isinstance(event, Reset) or event.finished:
            queue.put_nowait(None)

    async def _open(self, event: Opened) -> None:
        await self._send(self._session.reply(event.stream))
        request, kind = event.headers.get("requestid", ""), event.headers.get("streamtype", "")
        if kind == "error":
            self._errors[request] = event.stream
        elif kind == "data":
            self._inputs[event.stream] = asyncio.Queue()
            task = asyncio.create_task(self._forward(event, self._errors.pop(request, 0)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, event: Opened, error_stream: int) -> None:
        """One connection, from its beginning to its end."""
        try:
            port = int(event.headers.get("port", "0"))
            reader, writer = await self._nodes.ask(self._pod, {"do": "forward", "port": port})
        except (ApiError, ValueError) as error:
            text = f"error forwarding port {event.headers.get('port')} to pod: {error}"
            await self._send(self._session.data(error_stream, text.encode(), finished=True))
            await self._send(self._session.data(event.stream, b"", finished=True))
            return
        upwards = asyncio.create_task(self._upwards(event.stream, writer))
        try:
            while data := await reader.read(_CHUNK):
                await self._send(self._session.data(event.stream, data))
            await self._send(self._session.data(event.stream, b"", finished=True))
            await self._send(self._session.data(error_stream, b"", finished=True))
        finally:
            upwards.cancel()
            writer.close()
            self._inputs.pop(event.stream, None)

    async def _upwards(self, stream: int, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while (data := await self._inputs[stream].get()) is not None:
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
