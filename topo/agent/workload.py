"""What runs in a container, whichever kind it is, as the container's keeper sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from k8sshim.errors import PodwireError


class StartError(PodwireError):
    """The container could not be started; the text goes to its status."""


@dataclass(frozen=True)
class Exit:
    """How it ended: an exit code, 128 and the signal's number where a signal ended it."""

    code: int
    message: str = ""

    @property
    def reason(self) -> str:
        return "Completed" if self.code == 0 else "Error"


Hear = Callable[[str, bytes], None]  # stdout or stderr, and what it said


class Workload(Protocol):
    """A started container."""

    kind: str  # "stand-in" or "command"
    exited: asyncio.Future[Exit]

    def stop(self, grace_s: float) -> None:
        """Ask it to end, and end it after `grace_s`; calling again can only make that shorter."""

    async def execute(self, argv: Sequence[str], timeout_s: float) -> bool:
        """Whether a command run inside it succeeds in time."""

    def listen(self, hear: Hear) -> Callable[[], None]:
        """Have `hear` called with all output from now on; call what comes back to end that."""

    def write(self, data: bytes) -> None:
        """Give it standard input; nothing means that no more comes."""
