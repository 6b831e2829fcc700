"""Containers' commands: started in their box, listened to, signalled and reaped by the agent's event loop.

They are children of the main thread: bubblewrap's `--die-with-parent` takes the thread that started it for the parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from topo.agent.bubblewrap import Box, Host, box_argv, exec_argv
from topo.agent.logs import ContainerLog, tail
from topo.agent.workload import Exit, Hear, StartError

_CHUNK = 64 * 1024
_LOOK_AGAIN_S = 0.01


class Command:
    """A running command."""

    kind = "command"

    def __init__(self, host: Host, box: Box, log: ContainerLog) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[Exit] = self._loop.create_future()
        self._host = host
        self._environment = dict(box.environment)
        self._log = log
        self._hearing: list[Hear] = []
        self._open_pipes: dict[int, Callable[[bytes], None]] = {}
        self._status = b""
        self._pid = 0  # of the command itself, once bubblewrap has told it
        self._pid_known = asyncio.Event()
        self._asked_to_stop = False
        self._kill_timer: asyncio.TimerHandle | None = None
        self._kill_at = float("inf")
        self._start(box)

    def _start(self, box: Box) -> None:
        status, status_writer = os.pipe()
        try:
            self._process = subprocess.Popen(  # in this thread, which is the parent that it dies with
                box_argv(self._host, box, status_writer),
                stdin=subprocess.PIPE if box.stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[status_writer],
                bufsize=0,
            )
        except (OSError, ValueError, StartError) as error:  # ValueError: a NUL in an argument or a variable
            os.close(status)
            self._log.close(time.time())
            raise StartError(str(error)) from error
        finally:
            os.close(status_writer)
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._ended)
        self._read(status, self._status_came)
        for name in ("stdout", "stderr"):
            pipe = getattr(self._process, name)
            self._read(os.dup(pipe.fileno()), self._logger(name))
            pipe.close()

    @property
    def pid(self) -> int:
        """Of the command, in the agent's namespace; 0 before it is known."""
        return self._pid

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment

    async def beside(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` in the command's box. Raises StartError where that is no more."""
        await self._boxed()
        if not self._pid or self.exited.done():
            raise StartError("the container has ended")
        return exec_argv(self._host, self._pid, argv)

    def listen(self, hear: Hear) -> Callable[[], None]:
        self._hearing.append(hear)
        return lambda: self._hearing.remove(hear)

    def write(self, data: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        if data:
            with suppress(BlockingIOError, BrokenPipeError):  # who does not read misses it
                os.write(stdin.fileno(), data)
        else:
            stdin.close()

    async def started(self) -> None:
        """Return when the command is in its box, and so dies with the agent. Raises StartError where it never was."""
        await self._pid_known.wait()
        if not self._pid:
            raise StartError(f"bubblewrap: {self.exited.result().message or 'ended before the command started'}")

    def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after the grace period."""
        if self.exited.done():
            return
        if not self._asked_to_stop:
            self._asked_to_stop = True
            if grace_s > 0:
                self._signal(signal.SIGTERM)
        kill_at = self._loop.time() + grace_s
        if kill_at < self._kill_at:
            self._kill_at = kill_at
            if self._kill_timer:
                self._kill_timer.cancel()
            self._kill_timer = self._loop.call_at(kill_at, self._signal, signal.SIGKILL)

    async def execute(self, argv: Sequence[str], timeout_s: float) -> bool:
        """Whether `argv`, run in the command's box beside it, exits with 0 in time."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._boxed(), timeout_s)
        if not self._pid or self.exited.done():
            return False
        return await run_quietly(exec_argv(self._host, self._pid, argv), self._environment, timeout_s)

    async def _boxed(self) -> None:
        """Return when the command's box is whole: bubblewrap tells its PID before it has mounted everything."""
        await self._pid_known.wait()
        builder = os.path.realpath(self._host.bwrap)
        with suppress(OSError):  # it has ended
            while not self.exited.done() and str(Path(f"/proc/{self._pid}/exe").readlink()) == builder:
                await asyncio.sleep(_LOOK_AGAIN_S)

    def _signal(self, number: signal.Signals) -> None:
        if self.exited.done():
            return
        with suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, number)  # not reused: bubblewrap, not yet reaped by us, is its parent
            elif number is signal.SIGKILL:
                self._process.kill()

    def _status_came(self, data: bytes) -> None:
        self._status += data
        if self._pid or b"\n" not in self._status:
            return
        self._pid = int(json.loads(self._status.split(b"\n", 1)[0])["child-pid"])
        self._pid_known.set()
        if self._asked_to_stop:
            self._signal(signal.SIGKILL if self._loop.time() >= self._kill_at else signal.SIGTERM)

    def _logger(self, stream: str) -> Callable[[bytes], None]:
        def heard(data: bytes) -> None:
            self._log.write(stream, data, time.time())
            for hear in list(self._hearing):
                hear(stream, data)

        return heard

    def _read(self, fd: int, handler: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._open_pipes[fd] = handler
        self._loop.add_reader(fd, self._readable, fd)

    def _readable(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._open_pipes[fd](data)
        else:
            self._close_pipe(fd)

    def _close_pipe(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        del self._open_pipes[fd]
        os.close(fd)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        if self._kill_timer:
            self._kill_timer.cancel()
        for fd in list(self._open_pipes):
            self._drain(fd)
        self._log.close(time.time())
        exit_code = 128 - code if code < 0 else code
        message = tail(self._log.path, 5) if exit_code and not self._asked_to_stop else ""
        self.exited.set_result(Exit(exit_code, message[:2048]))
        self._pid_known.set()

    def _drain(self, fd: int) -> None:
        """Read what was written before the end."""
        with suppress(BlockingIOError):
            while data := os.read(fd, _CHUNK):
                self._open_pipes[fd](data)
        self._close_pipe(fd)


async def run_quietly(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> bool:
    """Whether a child exits with 0 in time; it is killed when not."""
    if any("\0" in argument for argument in argv):  # no command line can hold it
        return False
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # nsenter forks: the group is what can be killed
    )
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    pidfd = os.pidfd_open(process.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), timeout_s)
    except asyncio.TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode == 0
