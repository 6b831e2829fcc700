"""Has Open vSwitch forget what its datapath remembers: no packet goes by an old flow once that is done.

Open vSwitch looks at the flows of its datapath again when its tables have changed, a moment later. Before 2.17.8 and
3.1.3 that may go wrong for good in the userspace datapath (its change 21410ff80): a datapath flow that is to become
another is looked for by one of its packets, and where two overlap the wrong one is found. The other stays as it was,
for as long as packets use it. docs/decisions/policies-as-flows.md tells how that looks. So all its flows go.

The kernel's datapath has no such defect, and its flows must not go: where a packet asks for one in the same moment,
Open vSwitch ends itself ("Invalid ukey transition"). It is told to look at them now, and says when it has.

What is asked goes over the control sockets of Open vSwitch, one JSON-RPC request a connection (ovs-appctl(8)).
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from .framework import Framework

log = logging.getLogger(__name__)
CONTROL_SOCKETS = "*/ovs-vswitchd.ctl"  # each Open vSwitch has a folder of its own
TIMEOUT_S = 5.0  # of a switch that is there, and does nothing
SOON_S = 0.1  # in which changes gather that nobody waits for
IN_KERNEL = "system@"  # begins the name of the kernel's datapath
PURGE = ("revalidator/purge",)
# Whoever goes on looks at every flow by the tables of now, and is paused again when that is done. In one message, so
# that a controller which is killed meanwhile leaves nobody paused.
LOOK_AGAIN = ("revalidator/pause", "revalidator/resume") * 2


class Memory(Protocol):
    """What a switch's packets go by, which follows its tables a moment later."""

    def forget(self, done: Callable[[], None]) -> None: ...

    def forget_soon(self) -> None: ...


class FadesByItself:
    """Of a switch that nobody can ask."""

    def forget(self, done: Callable[[], None]) -> None:
        done()

    def forget_soon(self) -> None: ...


class Datapaths:
    """Of all Open vSwitches that have a folder in `folder`. What is called back is called in threads of its own."""

    def __init__(self, folder: Path, framework: Framework) -> None:
        self._folder, self._framework = folder, framework
        self._sockets: dict[str, Path] = {}  # by the names of bridges
        self._looking = Lock()
        self._soon: set[Path] = set()

    def forget(self, bridge: str, done: Callable[[], object]) -> None:
        """Have a bridge's datapath forget now, and call `done` then; also where it could not be asked."""

        def act() -> None:
            try:
                renew(self._socket(bridge))
            finally:
                done()

        self._framework.spawn(act)

    def forget_soon(self, bridge: str) -> None:
        """The same in a moment, once for all that ask for it meanwhile."""

        def act() -> None:
            control = self._socket(bridge)
            if control is None or control in self._soon:
                return
            self._soon.add(control)
            self._framework.hub.sleep(SOON_S)
            self._soon.discard(control)
            renew(control)

        self._framework.spawn(act)

    def ask(self, bridge: str, command: str, *arguments: str) -> str | None:
        """What the Open vSwitch of a bridge answers; None where there is none, or it does not."""
        control = self._socket(bridge)
        return None if control is None else ask(control, command, *arguments)

    def _socket(self, bridge: str) -> Path | None:
        with self._looking:  # all bridges come at once, and one look finds them all
            if bridge not in self._sockets:
                self._sockets = {
                    name: control
                    for control in sorted(self._folder.glob(CONTROL_SOCKETS))
                    for name in (ask(control, "ofproto/list") or "").split()
                }
            return self._sockets.get(bridge)


@dataclass(frozen=True)
class DatapathOf:
    """Of one switch; `put` has what follows done by the thread that decides."""

    datapaths: Datapaths
    bridge: Callable[[], str]
    put: Callable[[Callable[[], None]], object]

    def forget(self, done: Callable[[], None]) -> None:
        self.datapaths.forget(self.bridge(), partial(self.put, done))

    def forget_soon(self) -> None:
        self.datapaths.forget_soon(self.bridge())


def renew(control: Path | None) -> None:
    """Return when no packet goes by what the tables were before.

    The question for the datapath is a turn of ovs-vswitchd's, in which it notices that its tables have changed.
    """
    if control is not None:
        in_kernel = IN_KERNEL in (ask(control, "dpif/dump-dps") or "")
        _answers(control, [(command, ()) for command in (LOOK_AGAIN if in_kernel else PURGE)])


def ask(control: Path, command: str, *arguments: str) -> str | None:
    """What Open vSwitch answers to a command; None, and a line in the log, where it does not."""
    return next(iter(_answers(control, [(command, arguments)])), None)


def _answers(control: Path, commands: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """To commands that it gets at once, up to the first that it cannot do, which the log tells."""
    requests = ({"id": 0, "method": command, "params": arguments} for command, arguments in commands)
    answers: list[str] = []
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(control))
            connection.sendall("".join(map(json.dumps, requests)).encode())
            for answer in _objects(connection, len(commands)):
                if answer.get("error"):
                    raise ValueError(answer["error"])
                answers.append(str(answer.get("result")))
    except (OSError, ValueError) as error:
        log.warning("%s: %s: %s", control, commands[len(answers)][0], error)
    return answers


def _objects(connection: socket.socket, count: int) -> Iterator[dict[str, Any]]:
    """So many JSON objects. Raises ValueError where the connection ends before they do."""
    text = b""
    for _ in range(count):
        while (found := _first(text)) is None:
            chunk = connection.recv(65536)
            if not chunk:
                raise ValueError("ended in the middle of its answer")
            text += chunk
        answer, text = found
        yield answer


def _first(text: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The JSON object that a text begins with, and what follows it; None where it is not whole."""
    if not text.endswith(b"}"):  # which a long one is looked at for only once
        return None
    told = text.decode()
    try:
        answer, end = json.JSONDecoder().raw_decode(told)
    except ValueError:
        return None
    return answer, told[end:].encode()
