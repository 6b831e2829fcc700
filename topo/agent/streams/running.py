"""A command run for somebody who looks on: its streams as frames, with or without a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from k8sshim import frames
from k8sshim.objects import Raw

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Wanted:
    """Which of a command's streams are wanted."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def parse(cls, raw: Raw) -> Wanted:
        return cls(bool(raw.get("stdin")), bool(raw.get("stdout")), bool(raw.get("stderr")), bool(raw.get("tty")))


async def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    wanted: Wanted,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Run a command until it ends, or until nobody listens any more; then it is killed. Its end is told as a Status."""
    process, ends = (_with_terminal if wanted.tty else _with_pipes)(argv, environment, wanted)
    outputs = [asyncio.create_task(_forward(end, channel, writer)) for channel, end in ends.items() if channel]
    inputs = asyncio.create_task(_feed(reader, ends.get(frames.STDIN), ends.get(frames.STDOUT) if wanted.tty else None))
    ended = asyncio.create_task(_ended(process))
    try:
        await asyncio.wait({ended, inputs}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await asyncio.wait(outputs, timeout=1.0) if outputs else None  # a child that lives on keeps them open
            writer.write(frames.frame(frames.ERROR, json.dumps(status_of(process.returncode)).encode()))
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for task in (*outputs, inputs):
            task.cancel()
        await asyncio.gather(*outputs, inputs, return_exceptions=True)
        await ended
        for end in set(ends.values()):
            os.close(end)


def status_of(code: int) -> Raw:
    """How a command ended, as the remote command protocol tells it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    shown = code if code > 0 else 128 - code
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {shown}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(shown)}]},
    }


_Started = tuple["subprocess.Popen[bytes]", dict[int, int]]


def _with_pipes(argv: Sequence[str], environment: Mapping[str, str], wanted: Wanted) -> _Started:
    """The process, and our ends of its pipes by channel."""
    given = subprocess.PIPE
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=given if wanted.stdin else subprocess.DEVNULL,
        stdout=given if wanted.stdout else subprocess.DEVNULL,
        stderr=given if wanted.stderr else subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    )
    ends = {}
    for channel, pipe in enumerate((process.stdin, process.stdout, process.stderr)):
        if pipe is not None:
            ends[channel] = os.dup(pipe.fileno())
            os.set_blocking(ends[channel], False)
            pipe.close()
    return process, ends


def _with_terminal(argv: Sequence[str], environment: Mapping[str, str], _: Wanted) -> _Started:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *argv],
        env={"TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, {frames.STDIN: ours, frames.STDOUT: ours}


async def _forward(end: int, channel: int, writer: asyncio.StreamWriter) -> None:
    """Send what a stream says until it ends."""
    while data := await _read(end):
        writer.write(frames.frame(channel, data))
        await writer.drain()


async def _read(end: int) -> bytes:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(end, _CHUNK)
        except BlockingIOError:
            await _ready(loop.add_reader, loop.remove_reader, end)
        except OSError:  # a terminal whose other side is closed
            return b""


async def _write(end: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    while data:
        try:
            data = data[os.write(end, data) :]
        except BlockingIOError:
            await _ready(loop.add_writer, loop.remove_writer, end)
        except OSError:  # it reads no more
            return


async def _ready(add: Callable[..., object], remove: Callable[[int], object], end: int) -> None:
    ready = asyncio.Event()
    add(end, ready.set)
    try:
        await ready.wait()
    finally:
        remove(end)


async def _feed(reader: asyncio.StreamReader, stdin: int | None, terminal: int | None) -> None:
    """Pass on what the client sends, until it is gone."""
    async for channel, data in frames.frames(reader):
        if channel == frames.RESIZE and terminal is not None:
            _resize(terminal, data)
        elif channel == frames.STDIN and stdin is not None:
            if data:
                await _write(stdin, data)
            elif terminal is None:
                _close_for_good(stdin)


def _close_for_good(end: int) -> None:
    """Close a pipe so that its number stays ours until the end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, end)
    os.close(nothing)


def _resize(terminal: int, data: bytes) -> None:
    with suppress(ValueError, TypeError, KeyError, struct.error, OSError):
        size = json.loads(data)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))


async def _ended(process: subprocess.Popen[bytes]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    pidfd = os.pidfd_open(process.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    process.wait()
