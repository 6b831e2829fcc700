"""Has Open vSwitch forget what its datapath remembers: no packet goes by an old flow once that is done.

Open vSwitch looks at the flows of its datapath again when its tables have changed, a moment later. Before 2.17.8 and
3.1.3 that may go wrong for good in the userspace datapath (its change 21410ff80): a datapath flow that is to become
another is looked for by one of its packets, and where two overlap the wrong one is found. The other stays as it was,
for as long as packets use it. docs/decisions/policies-as-flows.md tells how that looks. So all its flows go.

The kernel's datapath has no such defect, and its flows must not go: where a packet asks for one in the same moment,
Open vSwitch ends itself ("Invalid ukey transition"). There it is given the time to look at them.

What is asked goes over the control sockets of Open vSwitch, one JSON-RPC request a connection (ovs-appctl(8)).
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
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
LOOKS_S = 0.05  # in which Open vSwitch looks at the flows of the kernel's datapath again
IN_KERNEL = "system"  # the kind of bridges in it


class Memory(Protocol):
    """What a switch's packets go by, which follows its tables a moment later."""

    def forget(self, done: Callable[[], None]) -> None: ...

    def forget_soon(self) -> None: ...


class FadesByItself:
    """Of a switch that nobody can ask."""

    def forget(self, done: Callable[[], None]) -> None:
        done()

    def forget_soon(self) -> None: ...


@dataclass(frozen=True)
class Daemon:
    """The ovs-vswitchd of a bridge, whose bridges are all of one kind."""

    control: Path
    in_kernel: bool


class Datapaths:
    """Of all Open vSwitches that have a folder in `folder`. What is called back is called in threads of its own."""

    def __init__(self, folder: Path, framework: Framework) -> None:
        self._folder, self._framework = folder, framework
        self._daemons: dict[str, Daemon] = {}  # by the names of bridges
        self._looking = Lock()
        self._soon: set[Daemon] = set()

    def forget(self, bridge: str, done: Callable[[], object]) -> None:
        """Have a bridge's datapath forget now, and call `done` then; also where it could not be asked."""

        def act() -> None:
            try:
                self._renew(self._daemon(bridge))
            finally:
                done()

        self._framework.spawn(act)

    def forget_soon(self, bridge: str) -> None:
        """The same in a moment, once for all that ask for it meanwhile."""

        def act() -> None:
            daemon = self._daemon(bridge)
            if daemon is None or daemon in self._soon:
                return
            self._soon.add(daemon)
            self._framework.hub.sleep(SOON_S)
            self._soon.discard(daemon)
            self._renew(daemon)

        self._framework.spawn(act)

    def ask(self, bridge: str, command: str, *arguments: str) -> str | None:
        """What the Open vSwitch of a bridge answers; None where there is none, or it does not."""
        daemon = self._daemon(bridge)
        return None if daemon is None else ask(daemon.control, command, *arguments)

    def _renew(self, daemon: Daemon | None) -> None:
        if daemon is None:
            return
        if daemon.in_kernel:
            self._framework.hub.sleep(LOOKS_S)
        else:
            ask(daemon.control, "revalidator/purge")

    def _daemon(self, bridge: str) -> Daemon | None:
        with self._looking:  # all bridges come at once, and one look finds them all
            if bridge not in self._daemons:
                self._daemons = {
                    name: Daemon(control, kind == IN_KERNEL)
                    for control in sorted(self._folder.glob(CONTROL_SOCKETS))
                    for kind, _, name in (one.partition("@") for one in (ask(control, "dpif/dump-dps") or "").split())
                }
            return self._daemons.get(bridge)


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


def ask(control: Path, command: str, *arguments: str) -> str | None:
    """What Open vSwitch answers to a command; None, and a line in the log, where it does not."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(control))
            connection.sendall(json.dumps({"id": 0, "method": command, "params": arguments}).encode())
            answer = _answer(connection)
    except (OSError, ValueError) as error:
        log.warning("%s: %s: %s", control, command, error)
        return None
    if answer.get("error"):
        log.warning("%s: %s: %s", control, command, answer["error"])
        return None
    return str(answer.get("result"))


def _answer(connection: socket.socket) -> dict[str, Any]:
    """One JSON object. Raises ValueError where the connection ends before it does."""
    text = b""
    while chunk := connection.recv(65536):
        text += chunk
        if not text.endswith(b"}"):  # which a long one is looked at for only once
            continue
        try:
            found = json.loads(text)
        except ValueError:
            continue
        return dict(found)
    raise ValueError("ended in the middle of its answer")
