"""Whether a pod can be reached, asked of its own kernel: before its containers start, and as it goes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Protocol

from topo.agent.entry import NamespaceEntry

_NOBODYS_PORT = 1  # where nothing listens: whoever has the address refuses
_FIRST_TRY_S, _LONGEST_TRY_S = 0.1, 1.0
_ON_THE_WAY_S = 0.05  # for what was sent to pass the bridge
_LAST_WORDS_S = 1.0
_UNACKNOWLEDGED = {"04", "09", "0B"}  # FIN_WAIT1, LAST_ACK, CLOSING: a FIN that nobody has answered


class Presence(Protocol):
    """What a pod's keeper asks; `PresenceAtNode` answers."""

    async def reached(self, address: str, timeout_s: float) -> bool:
        """Whether, within that time, a pod answers the node: until then its flows are not all there."""

    async def silent(self, namespace: str) -> None:
        """Return when the last words of a pod's connections have been heard, or there was time enough for that."""


class PresenceAtNode:
    """Looks at pods from their node."""

    def __init__(self, entry: NamespaceEntry, node_namespace: str) -> None:
        self._entry = entry
        self._node = node_namespace

    async def reached(self, address: str, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline, try_s = loop.time() + timeout_s, _FIRST_TRY_S
        while not await self._answers(address, try_s):
            if loop.time() >= deadline:
                return False
            try_s = min(try_s * 2, _LONGEST_TRY_S)
        return True

    async def silent(self, namespace: str) -> None:
        deadline = asyncio.get_running_loop().time() + _LAST_WORDS_S
        await asyncio.sleep(_ON_THE_WAY_S)
        while await self._entry.run(namespace, _still_speaking) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_ON_THE_WAY_S)

    async def _answers(self, address: str, timeout_s: float) -> bool:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with await self._entry.run(self._node, lambda: socket.socket(family, socket.SOCK_STREAM)) as asking:
            asking.setblocking(False)
            try:
                connecting = asyncio.get_running_loop().sock_connect(asking, (address, _NOBODYS_PORT))
                await asyncio.wait_for(connecting, timeout_s)
            except ConnectionRefusedError:
                return True
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(_ON_THE_WAY_S)
                return False
        return True


def _still_speaking() -> bool:
    """Whether a connection of this thread's namespace waits for its FIN to be answered."""
    tables = (Path("/proc/thread-self/net") / name for name in ("tcp", "tcp6"))
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return any(line.split()[3] in _UNACKNOWLEDGED for line in lines)
