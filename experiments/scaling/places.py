"""Where readings are taken: a client and servers, in namespaces of a lab or of a peer beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from experiments.calls import Asked, Call, ask
from experiments.inside import Sandbox, end, start_ready
from experiments.parse import ToolFailed
from experiments.scaling.services import STREAM_PORT, TARGET_PORT, Endpoint

ANSWER_S, AT_ONCE, AWAIT_S = 3.0, 32, 90.0
Address = tuple[str, int]  # with its port


@dataclass(frozen=True)
class Place:
    """The client's namespace and the servers of one system, within a sandbox."""

    sandbox: Sandbox
    client: str
    servers: tuple[Endpoint, ...]
    netns: tuple[str, ...]  # of the servers

    def serve(self, undo: ExitStack) -> None:
        """Have every server answer, and take streams, until the stack is undone."""
        names = [f"{netns}={one.name}" for netns, one in zip(self.netns, self.servers, strict=True)]
        start_ready(self.sandbox, ["experiments.answerers", str(TARGET_PORT), *names], None, undo)
        for netns in self.netns:
            argv = ["iperf3", "--server", "--port", str(STREAM_PORT)]
            process = self.sandbox.start(argv, netns=netns)
            undo.callback(end, process)

    def ask(self, addresses: Sequence[Address], at_once: int = AT_ONCE) -> Asked:
        """New connections to these addresses, in their order. Raises ToolFailed where one is not answered."""
        calls = [Call(self.client, *address) for address in addresses]
        timeout_s = 20 + len(calls) / 50
        asked = ask(
            lambda argv, text: self.sandbox.must(argv, stdin=text, timeout_s=timeout_s), calls, ANSWER_S, at_once
        )
        if lost := sum(not one.answered for one in asked.answers):
            raise ToolFailed(f"{lost} of {len(calls)} connections were not answered")
        return asked

    def awaiting(self, addresses: Sequence[Address], name: str, undo: ExitStack) -> Waiter:
        """Begin to wait for answers of all these addresses, by this server or by any."""
        where = [f"{address}:{port}" for address, port in addresses]
        argv = ["experiments.awaiting", self.client, f"{AWAIT_S:g}", name, *where]
        return Waiter(start_ready(self.sandbox, argv, None, undo))


@dataclass(frozen=True)
class Waiter:
    """A process that waits for a first answer."""

    process: subprocess.Popen[str]

    def since(self, begin: float) -> float:
        """Seconds from then until the answer. Raises ToolFailed where none came."""
        assert self.process.stdout
        told = self.process.stdout.readline().strip()
        if not told or told == "timeout":
            raise ToolFailed(f"no answer within {AWAIT_S:g} s")
        return float(told) - begin
