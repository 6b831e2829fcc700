"""The agent's door: a Unix socket where the API server asks for the streams of containers (see `k8sshim.frames`)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from k8sshim import frames
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Raw
from topo.agent.container import ContainerKeeper
from topo.agent.entry import NamespaceEntry
from topo.agent.podspec import PodSpec
from topo.agent.status import Running, Terminated
from topo.agent.streams import logreading, running
from topo.agent.streams.attaching import attach
from topo.agent.streams.logreading import LogOptions
from topo.agent.streams.running import Wanted

log = logging.getLogger(__name__)
_CHUNK = 64 * 1024
_CONNECT_S = 10.0


class Refused(PodwireError):
    """What was asked for cannot be; `code` is HTTP's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Found:
    """A container that is kept here, with the pod that it is of."""

    pod: PodSpec
    keeper: ContainerKeeper
    logs: Path  # the folder of the pod's logs
    beside: Callable[[Sequence[str]], Awaitable[tuple[Sequence[str], Mapping[str, str]]]]  # how to run a command there


Find = Callable[[str, str], "Found | None"]  # by the pod's UID and the container's name; any container for ""


class Door:
    """Answers the API server. A conversation's failure is that conversation's alone."""

    def __init__(self, find: Find, entry: NamespaceEntry, usage: Callable[[], Awaitable[list[Raw]]]) -> None:
        """`usage` measures all containers that are kept here."""
        self._find = find
        self._usage = usage
        self._entry = entry

    async def open(self, path: Path) -> None:
        """Answer at that socket from now on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        await asyncio.start_unix_server(self._welcome, path)
        path.chmod(0o600)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (PodwireError, OSError) as error:
            log.info("a stream was not served: %s", error)
            code = error.code if isinstance(error, Refused) else 400 if isinstance(error, BadInput) else 500
            with suppress(OSError):
                writer.write(frames.line({"code": code, "message": str(error)}))
                await writer.drain()
        except Exception:  # a fault here must not end the agent
            log.exception("a stream was not served")
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await frames.read_line(reader)
        if asked["do"] == "usage":
            writer.write(frames.line({}) + frames.line({"usage": await self._usage()}))
            await writer.drain()
            return
        found = self._find(str(asked.get("uid")), str(asked.get("container") or ""))
        if found is None:
            raise Refused(404, f"container {asked.get('container')!r} of the pod is not on this node")
        answers = {"log": self._log, "exec": self._exec, "attach": self._attach, "forward": self._forward}
        await answers.get(asked["do"], self._look)(found, asked, reader, writer)

    async def _look(self, found: Found, _: Raw, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Nothing but whether it could be."""
        _check_running(found)
        writer.write(frames.line({}))
        await writer.drain()

    async def _log(self, found: Found, asked: Raw, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options, number = LogOptions.parse(asked, time.time()), run_of(found, previous=bool(asked.get("previous")))

        def ended() -> bool:
            state = found.keeper.state
            return not isinstance(state.state, Running) or state.restarts != number

        writer.write(frames.line({}))
        path = found.logs / found.keeper.container.name / f"{number}.log"
        async for text in logreading.read(path, options, ended):
            writer.write(text)
            await writer.drain()

    async def _exec(self, found: Found, asked: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _check_running(found)
        argv, environment = await found.beside(list(map(str, asked.get("command") or ())))
        writer.write(frames.line({}))
        await running.run(argv, environment, Wanted.parse(asked), reader, writer)

    async def _attach(
        self, found: Found, asked: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        workload = found.keeper.workload
        if workload is None:
            raise Refused(400, f"container {found.keeper.container.name} is not running")
        writer.write(frames.line({}))
        await attach(workload, Wanted.parse(asked), reader, writer)

    async def _forward(
        self, found: Found, asked: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        port = int(asked["port"])
        connect = asyncio.get_running_loop().sock_connect
        made = await self._entry.run(found.pod.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        made.setblocking(False)
        try:
            await asyncio.wait_for(connect(made, ("127.0.0.1", port)), _CONNECT_S)
        except (OSError, asyncio.TimeoutError) as error:
            made.close()
            raise Refused(500, f"failed to connect to localhost:{port} inside the pod: {error}") from error
        theirs, ours = await asyncio.open_connection(sock=made)
        writer.write(frames.line({}))
        await asyncio.gather(_splice(reader, ours), _splice(theirs, writer))


def _check_running(found: Found) -> None:
    if not isinstance(found.keeper.state.state, Running):
        raise Refused(400, f"container {found.keeper.container.name} is not running")


def run_of(found: Found, *, previous: bool) -> int:
    """The number of the run whose log is asked for. Raises Refused where there is none."""
    state, name = found.keeper.state, found.keeper.container.name
    if previous:
        if not state.restarts:
            raise Refused(400, f'previous terminated container "{name}" in pod "{found.pod.key.name}" not found')
        return state.restarts - 1
    if isinstance(state.state, (Running, Terminated)):
        return state.restarts
    if state.last is None:
        why = getattr(state.state, "reason", "")
        raise Refused(400, f'container "{name}" in pod "{found.pod.key.name}" is waiting to start: {why}')
    return state.restarts


async def _splice(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what one side says until it says no more."""
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError):
        if target.can_write_eof():
            target.write_eof()
