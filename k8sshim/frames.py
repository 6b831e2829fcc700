"""What the API server and a node agent say to each other about a container's streams, over one connection. Pure.

The server asks in a line of JSON and is answered by one: `{}`, or `{"code", "message"}` where it cannot be. After that
both send frames: a channel (as in Kubernetes' `channel.k8s.io` protocols), a length, the data. An empty frame says that
nothing more comes on its channel. Logs are answered with bare text instead of frames.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator

from k8sshim.objects import Raw

STREAMS_ANNOTATION = "podwire.dev/streams"  # of a Node: the Unix socket where its agent answers
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_HEAD = struct.Struct("!BI")
_LONGEST_FRAME = 1 << 24


def line(raw: Raw) -> bytes:
    return json.dumps(raw).encode() + b"\n"


def frame(channel: int, data: bytes) -> bytes:
    return _HEAD.pack(channel, len(data)) + data


async def read_line(reader: asyncio.StreamReader) -> Raw:
    """The line of JSON that comes next. Raises ConnectionError where the other side says none."""
    text = await reader.readline()
    try:
        raw: Raw = json.loads(text)
    except ValueError as error:
        raise ConnectionError("the connection ended before anything was said") from error
    return raw


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """The frames that come, until the other side ends."""
    while True:
        try:
            channel, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
            if length > _LONGEST_FRAME:
                return
            yield channel, await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
