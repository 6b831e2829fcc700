"""Looks on at what a container's own command says, and speaks to its standard input."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from k8sshim import frames
from topo.agent.streams.running import Wanted, status_of
from topo.agent.workload import Workload

_QUEUED = 1000  # pieces of output; a client that does not read misses what comes after


async def attach(
    workload: Workload, wanted: Wanted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Until the container ends, or the client goes."""
    said: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(_QUEUED)
    channels = {"stdout": frames.STDOUT} if wanted.stdout else {}
    channels |= {"stderr": frames.STDERR} if wanted.stderr else {}

    def hear(stream: str, data: bytes) -> None:
        if stream in channels and not said.full():
            said.put_nowait((channels[stream], data))

    unheard = workload.listen(hear)
    telling = asyncio.create_task(_tell(said, writer))
    speaking = asyncio.create_task(_speak(workload, wanted, reader))
    try:
        waited_for: set[asyncio.Future[Any]] = {workload.exited, speaking}
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if workload.exited.done():
            while not said.empty() and not telling.done():
                await asyncio.sleep(0)
            code = workload.exited.result().code
            writer.write(frames.frame(frames.ERROR, json.dumps(status_of(code)).encode()))
            await writer.drain()
    finally:
        unheard()
        telling.cancel()
        speaking.cancel()


async def _tell(said: asyncio.Queue[tuple[int, bytes]], writer: asyncio.StreamWriter) -> None:
    while True:
        channel, data = await said.get()
        writer.write(frames.frame(channel, data))
        await writer.drain()


async def _speak(workload: Workload, wanted: Wanted, reader: asyncio.StreamReader) -> None:
    async for channel, data in frames.frames(reader):
        if channel == frames.STDIN and wanted.stdin:
            workload.write(data)
