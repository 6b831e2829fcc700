"""Runs programs inside a lab's sandbox, and ends there what was started there.

The sandbox has its own process ids, so a signal to what entered it does not reach the program: `timeout` goes in with
each one, and servers are ended by the network namespace they are in.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from k8sshim.errors import PodwireError
from lab.sandbox import enter_argv

_GRACE_S = 5.0  # for what entered the sandbox to tell of a timeout
_END_S = 5.0


@dataclass(frozen=True)
class Done:
    """A program that ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Sandbox:
    """The sandbox of a lab, by its supervisor's process id."""

    pid: int

    def run(self, argv: Sequence[str], *, netns: str | None = None, timeout_s: float = 20.0, stdin: str = "") -> Done:
        """Run a program to its end; after `timeout_s` it is ended, with code 124."""
        limited = ["timeout", "--kill-after=1", f"{timeout_s:.1f}", *argv]
        command = enter_argv(self.pid, limited, netns=netns)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=timeout_s + _GRACE_S, input=stdin
            )
        except subprocess.TimeoutExpired as error:
            raise PodwireError(f"{argv[0]}: no end after {timeout_s:g} s") from error
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, argv: Sequence[str], *, netns: str | None = None, timeout_s: float = 20.0, stdin: str = "") -> str:
        """What a program prints. Raises PodwireError with what it says where it fails."""
        done = self.run(argv, netns=netns, timeout_s=timeout_s, stdin=stdin)
        if done.code:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.code}"
            raise PodwireError(f"{shlex.join(argv)}: {said}")
        return done.stdout

    def start(self, argv: Sequence[str], *, netns: str) -> subprocess.Popen[bytes]:
        """Start a program that stays; `end_all` of its namespace ends it."""
        command = enter_argv(self.pid, argv, netns=netns)
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)

    def end_all(self, netns: str) -> None:
        """Kill every process in a network namespace of the experiment's own."""
        if pids := self.run(["ip", "netns", "pids", netns]).stdout.split():
            self.run(["kill", "-KILL", *pids])


def start_ready(
    sandbox: Sandbox, module: Sequence[str], netns: str | None, undo: ExitStack, *, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start one of our own programs in a sandbox, and return when it says that it is ready."""
    argv = enter_argv(sandbox.pid, [sys.executable, "-m", *module], netns=netns)
    process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, text=True)
    undo.callback(end, process)
    assert process.stdout
    if process.stdout.readline().strip() != "ready":
        raise PodwireError(f"{module[0]} does not start")
    return process


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End what was started in a sandbox: what runs there ends with what entered it."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):  # what was not read any more
                stream.close()
