"""A program in a lab's sandbox that does what it is told: begun before it is needed, since beginning takes a moment."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from subprocess import PIPE
from typing import Any

from k8sshim.errors import PodwireError
from lab.sandbox import enter_argv

_ENDS_S = 30.0  # what it has been told it does to the end
_FAILED = "the fault cannot be done"


class Hands:
    """`lab.faults.inside` in the sandbox of a lab, by its supervisor's process id."""

    def __init__(self, pid: int) -> None:
        self._argv = enter_argv(pid, [sys.executable, "-m", "lab.faults.inside"])
        self._process = self._begin()

    def act(self, orders: dict[str, Any]) -> dict[str, float]:
        """Have it act; when it began and when it was done. Raises PodwireError where something cannot be done."""
        if self._process.poll() is not None:
            self.end()
            self._process = self._begin()
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):  # it tells below why it has ended
            self._process.stdin.write(json.dumps(orders) + "\n")
            self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise PodwireError(f"{_FAILED}: {self._last_words()}")
        answer = json.loads(told)
        if "failed" in answer:
            raise PodwireError(f"{_FAILED}: {answer['failed']}")
        times: dict[str, float] = answer
        return times

    def end(self) -> None:
        """Let it finish what it does, and end."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _begin(self) -> subprocess.Popen[str]:
        """In a session of its own: whoever interrupts the caller does not leave a fault half done."""
        return subprocess.Popen(self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)

    def _last_words(self) -> str:
        assert self._process.stderr
        said = self._process.stderr.read().strip().splitlines()
        return said[-1] if said else f"exit code {self._process.wait(_ENDS_S)}"
