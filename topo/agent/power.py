"""Which nodes are dead, for as long as a fault has it so: a file each says it, and whoever connects has us look.

The agent leaves a dead node alone: nothing of it runs, and nothing is reported.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from pathlib import Path

log = logging.getLogger(__name__)
DEAD_NODES = "dead-nodes"  # the folder of those files, in the lab's
SOCKET = "node-power.sock"  # hung up when what the files say has been done
Act = Callable[[str], Awaitable[None]]


class NodePower:
    """The nodes of this agent that are dead."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._lock = asyncio.Lock()
        self.dead = self._named()

    async def listen(self, die: Act, start: Act) -> None:
        """From now on `die` and `start` are called with a node's name as it dies and is started."""

        async def asked(_reader: StreamReader, writer: StreamWriter) -> None:
            async with self._lock:
                await self._look(die, start)
            writer.close()

        path = self._run / SOCKET
        path.unlink(missing_ok=True)
        await asyncio.start_unix_server(asked, path)
        await self._look(die, start)

    async def _look(self, die: Act, start: Act) -> None:
        named, before = self._named(), self.dead
        self.dead = named  # first of all: what dies is not to be reported
        await asyncio.gather(*map(die, sorted(named - before)))
        await asyncio.gather(*map(start, sorted(before - named)))
        for name in sorted(named ^ before):
            log.warning("node %s %s", name, "is dead" if name in named else "is started")

    def _named(self) -> frozenset[str]:
        folder = self._run / DEAD_NODES
        return frozenset(file.name for file in folder.iterdir()) if folder.is_dir() else frozenset()
