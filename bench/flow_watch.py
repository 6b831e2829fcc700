"""Flow changes of many bridges as they happen: one `ovs-ofctl monitor` a bridge, read by one thread."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from experiments.inside import Sandbox
from k8sshim.errors import PodwireError
from lab.sandbox import enter_argv

_CHUNK = 1 << 20
_START_S = 10.0


class FlowWatch:
    """The monitors of a lab's bridges."""

    def __init__(self, outputs: Mapping[int, str]) -> None:
        self._outputs = outputs  # bridges by file descriptor

    def added(self, text: str, begin: float, timeout_s: float) -> dict[str, float]:
        """Seconds from then until a flow with this text was added, by bridge; those where none was are left out."""
        seen: dict[str, float] = {}
        told = dict.fromkeys(self._outputs, b"")
        while len(seen) < len(told) and (left := begin + timeout_s - time.monotonic()) > 0:
            for descriptor in select.select(list(self._outputs), [], [], left)[0]:
                told[descriptor] += os.read(descriptor, _CHUNK)
                bridge = self._outputs[descriptor]
                if bridge not in seen and _added(told[descriptor], text.encode()):
                    seen[bridge] = time.monotonic() - begin
        return seen

    def drain(self) -> None:
        """Forget what has been told so far."""
        while ready := select.select(list(self._outputs), [], [], 0.05)[0]:
            for descriptor in ready:
                if not os.read(descriptor, _CHUNK):
                    raise PodwireError(f"ovs-ofctl monitor of {self._outputs[descriptor]} has ended")


def _added(told: bytes, text: bytes) -> bool:
    return any(b"event=ADDED" in line and text in line for line in told.split(b"\n"))


@contextmanager
def watching(sandbox: Sandbox, sockets: Mapping[str, str]) -> Iterator[FlowWatch]:
    """Watch bridges, given with the path of their management socket in the sandbox, while the context lasts."""
    with ExitStack() as undo:
        outputs = {}
        for bridge, path in sockets.items():
            argv = ["ovs-ofctl", "--protocols=OpenFlow14", "--unixctl=none", "monitor", f"unix:{path}"]
            command = enter_argv(sandbox.pid, [*argv, "watch:!initial"])
            # its first line goes to stdout, what changes to stderr
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            undo.callback(_end, process)
            assert process.stdout
            outputs[process.stdout.fileno()] = bridge
        _wait_for_all(outputs)
        yield FlowWatch(outputs)


def _wait_for_all(outputs: Mapping[int, str]) -> None:
    """Each says a line of its own when the switch has agreed to tell."""
    silent, deadline = set(outputs), time.monotonic() + _START_S
    while silent:
        ready = select.select(list(silent), [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            raise PodwireError(f"ovs-ofctl monitor of {outputs[silent.pop()]} says nothing")
        for descriptor in ready:
            os.read(descriptor, _CHUNK)
            silent.discard(descriptor)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    if process.stdout:
        process.stdout.close()
