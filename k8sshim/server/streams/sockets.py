"""`exec`, `attach` and `portforward` over WebSocket: a message is a channel's number and what is said on it.

v4 and v5 of `channel.k8s.io` differ in that v5 can end a channel: 255, and the channel's number.
https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/streaming/pkg/httpstream and KEP-4006.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from k8sshim import frames
from k8sshim.objects import Raw
from k8sshim.server import routing
from k8sshim.server.permission import permit
from k8sshim.server.rbac import Authorizer
from k8sshim.server.responses import status_response
from k8sshim.server.served import Served
from k8sshim.server.status import ApiError, bad_request, no_such_resource

from . import tunnel
from .nodes import Nodes, container_of

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_REMOTE_COMMAND = (V5, V4)
_PORT_FORWARD = (V4,)
_CLOSE = 255
_TRUE = ("true", "1")
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Sockets:
    """Serves WebSockets."""

    nodes: Nodes
    served: Served
    authorizer: Authorizer

    async def serve(self, socket: WebSocket) -> None:
        """One WebSocket, from its request to its end."""
        try:
            await self._serve(socket)
        except ApiError as error:
            await deny(socket, status_response(error.status))
        except (WebSocketDisconnect, ConnectionError):
            return

    async def _serve(self, socket: WebSocket) -> None:
        path = socket.path_params
        target = routing.parse("", path["version"], path["rest"], self.served.lookup)
        permit(self.authorizer, socket.state.user, target, "get")
        pod, query = self.nodes.pod(target), socket.query_params
        if target.subresource == "portforward":
            if tunnel.PROTOCOL in (socket.scope.get("subprotocols") or ()):
                await _tunnel(self.nodes, pod, socket)
                return
            ports = [_port(text) for each in query.getlist("ports") for text in each.split(",")]
            await _forward(self.nodes, pod, ports, socket)
        elif target.subresource in ("exec", "attach"):
            asked: Raw = {"do": target.subresource, "container": container_of(pod, query.get("container") or "")}
            asked |= {name: query.get(name) in _TRUE for name in ("stdin", "stdout", "stderr", "tty")}
            await self._remote_command(socket, pod, asked | {"command": query.getlist("command")})
        else:
            raise no_such_resource()

    async def _remote_command(self, socket: WebSocket, pod: Raw, asked: Raw) -> None:
        protocol = _agreed(socket, _REMOTE_COMMAND)
        if asked["do"] == "exec" and not asked["command"]:
            raise bad_request("you must specify at least one command for the container")
        reader, writer = await self.nodes.ask(pod, asked)
        await socket.accept(protocol)
        try:
            await _either(_to_client(reader, socket), _to_node(socket, writer))
        finally:
            writer.close()
            with suppress(RuntimeError):  # the client was first
                await socket.close()


async def deny(socket: WebSocket, response: Response) -> None:
    """Answer the request for a WebSocket as any other."""
    with suppress(RuntimeError):
        await socket.send_denial_response(response)


def _agreed(socket: WebSocket, known: tuple[str, ...]) -> str:
    """The protocol to speak, the first of the client's that is known. Raises ApiError 400."""
    offered: list[str] = socket.scope.get("subprotocols") or []
    agreed = next((each for each in offered if each in known), None)
    if agreed is None:
        raise bad_request(f"none of the protocols {list(offered)} is served; known are {', '.join(known)}")
    return agreed


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise bad_request(f"{text!r} is no port")
    return int(text)


async def _either(*parts: AsyncIterator[None]) -> None:
    """Run all parts until the first one ends."""
    tasks = [asyncio.create_task(_exhaust(part)) for part in parts]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        with suppress(WebSocketDisconnect, ConnectionError, RuntimeError):
            task.result()


async def _exhaust(part: AsyncIterator[None]) -> None:
    async for _ in part:
        pass


async def _messages(socket: WebSocket) -> AsyncIterator[bytes]:
    """What the client says, as bytes; it may send text too."""
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        yield data if data is not None else (message.get("text") or "").encode()


async def _to_client(reader: asyncio.StreamReader, socket: WebSocket) -> AsyncIterator[None]:
    async for channel, data in frames.frames(reader):
        await socket.send_bytes(bytes((channel,)) + data)
        yield


async def _to_node(socket: WebSocket, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    async for message in _messages(socket):
        if len(message) == 2 and message[0] == _CLOSE:
            writer.write(frames.frame(message[1], b""))
        elif len(message) > 1:
            writer.write(frames.frame(message[0], message[1:]))
        await writer.drain()
        yield


# Port forwarding: each port has a channel for its data and one for its error, and begins both with its number.


async def _forward(nodes: Nodes, pod: Raw, ports: list[int], socket: WebSocket) -> None:
    if not ports:
        raise bad_request("query parameter ports is missing")
    protocol = _agreed(socket, _PORT_FORWARD)
    await socket.accept(protocol)
    for channel, port in enumerate(ports):
        for each in (2 * channel, 2 * channel + 1):
            await socket.send_bytes(bytes((each,)) + struct.pack("<H", port))
    links: dict[int, asyncio.StreamWriter] = {}
    tasks = []
    for channel, port in enumerate(ports):
        try:
            reader, links[channel] = await nodes.ask(pod, {"do": "forward", "port": port})
        except ApiError as error:
            await socket.send_bytes(bytes((2 * channel + 1,)) + str(error).encode())
            continue
        tasks.append(asyncio.create_task(_port_to_client(reader, 2 * channel, socket)))
    try:
        await _either(_to_ports(socket, links), _all_done(tasks))
    finally:
        for task in tasks:
            task.cancel()
        for link in links.values():
            link.close()
        with suppress(RuntimeError):  # the client was first
            await socket.close()


async def _tunnel(nodes: Nodes, pod: Raw, socket: WebSocket) -> None:
    await socket.accept(tunnel.PROTOCOL)
    streams = tunnel.Tunnel(nodes, pod, socket.send_bytes)
    try:
        async for message in _messages(socket):
            await streams.feed(message)
    except ValueError as error:
        await socket.close(1002, str(error))
    finally:
        streams.close()


async def _to_ports(socket: WebSocket, links: dict[int, asyncio.StreamWriter]) -> AsyncIterator[None]:
    async for message in _messages(socket):
        link = links.get(message[0] // 2) if message and not message[0] % 2 else None
        if link is not None:
            link.write(message[1:])
            await link.drain()
        yield


async def _all_done(tasks: list[asyncio.Task[None]]) -> AsyncIterator[None]:
    """The protocol cannot end one port; once all have nothing more to say, it ends."""
    await asyncio.gather(*tasks)
    yield


async def _port_to_client(reader: asyncio.StreamReader, channel: int, socket: WebSocket) -> None:
    with suppress(RuntimeError, ConnectionError):
        while data := await reader.read(_CHUNK):
            await socket.send_bytes(bytes((channel,)) + data)
