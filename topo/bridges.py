"""Ports of Open vSwitch's bridges: many in one transaction, each with the number that was asked for or none at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from k8sshim.errors import PodwireError

from .plan import Plan
from .ports import BridgePort, PartlyDone
from .vsctl import vsctl

BATCH = 250  # ports a transaction


class OpenVSwitchBridges:
    """`ports.Bridges` by Open vSwitch."""

    def __init__(self, databases: Mapping[str, Path]) -> None:
        self._databases = databases  # bridge -> its database's socket

    @classmethod
    def of(cls, plan: Plan, run: Path) -> OpenVSwitchBridges:
        """The bridges of a plan that has been built below `run`."""
        return cls({switch.name: socket_of(run, switch.group) for switch in plan.switches.values()})

    def ports(self, bridge: str) -> dict[str, int]:
        names = vsctl(self._databases[bridge], "list-ports", bridge).split()
        return {name: number for name, (number, _) in _states(self._databases[bridge], names).items()}

    def add_ports(self, ports: Sequence[BridgePort]) -> None:
        failed: dict[str, str] = {}
        for database, batch in self._batches(ports):
            failed |= _transact(database, batch, _addition)
            wrong = refusals(database, [port for port in batch if port.interface not in failed])
            _transact(database, [port for port in batch if port.interface in wrong], _deletion)
            failed |= wrong
        if failed:
            raise PartlyDone("ports", failed)

    def delete_ports(self, ports: Sequence[BridgePort]) -> None:
        failed: dict[str, str] = {}
        for database, batch in self._batches(ports):
            failed |= _transact(database, batch, _deletion)
        if failed:
            raise PartlyDone("ports", failed)

    def _batches(self, ports: Sequence[BridgePort]) -> list[tuple[Path, list[BridgePort]]]:
        def database(port: BridgePort) -> Path:
            return self._databases[port.bridge]

        return [
            (socket, batch[start : start + BATCH])
            for socket, group in groupby(sorted(ports, key=database), key=database)
            for batch in [list(group)]
            for start in range(0, len(batch), BATCH)
        ]


def refusals(database: Path, ports: Sequence[BridgePort]) -> dict[str, str]:
    """Interface -> why Open vSwitch does not forward by this port number; empty where all is well."""
    states = _states(database, [port.interface for port in ports])
    reasons = {port.interface: _refusal(port, *states.get(port.interface, (-1, ""))) for port in ports}
    return {interface: reason for interface, reason in reasons.items() if reason}


def _states(database: Path, interfaces: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Interface -> its port number (-1: none) and what is wrong with it."""
    if not interfaces:
        return {}
    columns = ["--format=json", "--columns=name,ofport,error", "--if-exists", "list", "Interface"]
    rows = json.loads(vsctl(database, *columns, *interfaces))["data"]
    return {
        name: (ofport if isinstance(ofport, int) else -1, error if isinstance(error, str) else "")
        for name, ofport, error in rows  # a column without a value reads ["set", []]
    }


def _refusal(port: BridgePort, number: int, error: str) -> str:
    if number == port.number:
        return ""
    return error or f"Open vSwitch gave it port {number} of {port.bridge}, not {port.number}"


def socket_of(run: Path, group: str) -> Path:
    """The database's socket of a placement group."""
    return run / "switchd" / group / "db.sock"


def _addition(port: BridgePort) -> list[str]:
    request = ["--", "set", "Interface", port.interface, f"ofport_request={port.number}"]
    return ["--", "--may-exist", "add-port", port.bridge, port.interface, *request]


def _deletion(port: BridgePort) -> list[str]:
    return ["--", "--if-exists", "del-port", port.bridge, port.interface]


def _transact(
    database: Path, ports: Sequence[BridgePort], command: Callable[[BridgePort], list[str]]
) -> dict[str, str]:
    """One transaction; where the whole is refused, one for each port. Interface -> why it was refused."""
    if not ports:
        return {}
    try:
        vsctl(database, *(word for port in ports for word in command(port)))
    except PodwireError as error:
        if len(ports) == 1:
            return {ports[0].interface: str(error)}
        return {name: reason for port in ports for name, reason in _transact(database, [port], command).items()}
    return {}
