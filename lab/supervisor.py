"""The first process of a lab, and how it ends.

It has process id 1 in the sandbox: the kernel ends the lab when it dies, and orphans of any process become its
children. It reaps those and does nothing else; the work is its child's (`lab.assembly`), which may wait for children of
its own without anyone taking their exit codes away. It imports next to nothing, because it only waits.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def reap_until(child: int) -> int:
    """Reap every process that is left to this one, until `child` ends; the child's exit code."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _quit(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(0)  # the kernel ends everything else


def main(arguments: list[str]) -> int:
    """Reap as process 1; the arguments are those of `lab.assembly`, whose process is a child."""
    child = os.fork()
    if child == 0:
        from lab import assembly  # noqa: PLC0415 - what this costs, process 1 need not pay

        assembly.main(arguments)
    signal.signal(signal.SIGTERM, _quit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return reap_until(child)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
