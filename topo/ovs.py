"""Open vSwitch: the daemons of a placement group. The ports of its bridges are in `bridges`.

Each group has an ovsdb-server and an ovs-vswitchd of its own, in a private directory; the host's are never touched.
Both are children in the foreground, so that their death is noticed at once (`alive`), and `restart` brings them back:
bridges and ports are in the database, and the controller writes the flows anew.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from k8sshim.errors import PodwireError

from .bridges import OpenVSwitchBridges
from .conntrack import ANY_SEQUENCE_NUMBER
from .syscalls import path as netns_path
from .vsctl import run, vsctl

__all__ = ["OpenVSwitchBridges", "Switchd", "datapath_type", "kernel_datapath"]
START_TIMEOUT_S = 60.0
SCHEMAS = (Path("/usr/share/openvswitch/vswitch.ovsschema"), Path("/usr/local/share/openvswitch/vswitch.ovsschema"))
DATAPATH_TYPES = {"kernel": "system", "userspace": "netdev"}


def kernel_datapath() -> bool:
    """Whether the openvswitch module is here and a datapath can be made in this network namespace."""
    try:
        run(["ovs-dpctl", "dump-dps"])  # fails where the module's netlink family is not to be had
    except PodwireError:
        return False
    return True


def datapath_of(datapath: str) -> str:
    """The datapath that a description comes to here: kernel or userspace."""
    found = datapath_type(datapath)
    return next(name for name, kind in DATAPATH_TYPES.items() if kind == found)


def datapath_type(datapath: str) -> str:
    """`datapath_type` of bridges for a description's `datapath`: `system` or `netdev`."""
    if datapath == "auto":
        return "system" if kernel_datapath() else "netdev"
    if datapath == "kernel" and not kernel_datapath():
        raise PodwireError(
            "datapath kernel: this machine has no openvswitch module that is usable here; see podwire doctor"
        )
    return DATAPATH_TYPES[datapath]


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Returns when the condition holds. Raises PodwireError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise PodwireError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.005)


@dataclass
class Switchd:
    """One group's ovsdb-server and ovs-vswitchd."""

    directory: Path
    netns: str | None  # the named namespace of ovs-vswitchd; None: the caller's own
    log: Path  # the folder of their logs
    datapath_type: str  # of its bridges: system or netdev
    settings: Mapping[str, str] = field(default_factory=dict)  # Open_vSwitch other_config, read as ovs-vswitchd starts
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        directory: Path,
        netns: str | None = None,
        datapath: str = "auto",
        *,
        log: Path | None = None,
        threads: int = 0,
        offload: bool = True,
    ) -> Switchd:
        """Starts a group's daemons; returns when they serve.

        `datapath` is auto, kernel or userspace; `threads` is the number of handler and revalidator threads, 0 for Open
        vSwitch's own choice; `offload` whether the userspace datapath takes segments that are larger than packets.
        """
        kind = datapath_type(datapath)
        settings = {"userspace-tso-enable": "true"} if kind == "netdev" and offload else {}
        if threads:
            settings |= {"n-handler-threads": str(threads), "n-revalidator-threads": str(threads)}
        directory.mkdir(parents=True, exist_ok=True)
        switchd = cls(directory, netns, log or directory, kind, settings)
        switchd.restart()
        return switchd

    @property
    def socket(self) -> Path:
        """The database's socket."""
        return self.directory / "db.sock"

    @property
    def pid(self) -> int:
        """ovs-vswitchd's process id: whoever joins its namespaces is where the bridges are."""
        return self._children["ovs-vswitchd"].pid

    def alive(self) -> list[str]:
        """What is wrong; nothing while both daemons run."""
        return [
            f"{name} of group {self.directory.name} ended with code {child.returncode}"
            for name, child in self._children.items()
            if child.poll() is not None
        ]

    def restart(self) -> None:
        """Starts those of the two that do not run; returns when they serve."""
        if not self._runs("ovsdb-server"):
            self._start_database()
        if not self._runs("ovs-vswitchd"):
            self._spawn("ovs-vswitchd", [f"unix:{self.socket}"], self.netns)
            started = f"external_ids:started={time.monotonic_ns()}"
            bridges = self.vsctl("set", "Open_vSwitch", ".", started, "--", "list-br")  # waits for the daemon
            if bridges and self.datapath_type == "netdev":
                self.control(*ANY_SEQUENCE_NUMBER)

    def stop(self) -> None:
        """Ends both daemons; the kernel does it for a lab."""
        for child in reversed(self._children.values()):
            child.terminate()
            child.wait(START_TIMEOUT_S)

    def vsctl(self, *arguments: str) -> str:
        """Runs ovs-vsctl on this group's database. Raises PodwireError with what it said."""
        return vsctl(self.socket, *arguments)

    def control(self, *command: str) -> str:
        """Has ovs-vswitchd do something that its database has no word for. Raises PodwireError with what it said."""
        return run(["ovs-appctl", "-t", str(self.directory / "ovs-vswitchd.ctl"), *command])

    def _runs(self, name: str) -> bool:
        return name in self._children and self._children[name].poll() is None

    def _start_database(self) -> None:
        database = self.directory / "conf.db"
        if not database.exists():
            run(["ovsdb-tool", "create", str(database), str(_schema())])
        self.socket.unlink(missing_ok=True)
        self._spawn("ovsdb-server", [str(database), f"--remote=punix:{self.socket}"], None)
        wait_until(self.socket.exists, START_TIMEOUT_S, "ovsdb-server")
        settings = [f"other_config:{name}={value}" for name, value in self.settings.items()]
        self.vsctl("--retry", "--no-wait", "init", *(["--", "set", "Open_vSwitch", ".", *settings] if settings else []))

    def _spawn(self, name: str, arguments: list[str], netns: str | None) -> None:
        enter = ["nsenter", f"--net={netns_path(netns)}"] if netns else []
        control = self.directory / f"{name}.ctl"
        control.unlink(missing_ok=True)
        options = [f"--unixctl={control}", f"--pidfile={self.directory / name}.pid", "--no-chdir"]
        logs = [
            f"--log-file={self.log / name}-{self.directory.name}.log",
            "-vconsole:off",
            "-vsyslog:off",
            "-vfile:info",
        ]
        self._children[name] = subprocess.Popen(
            [*enter, name, *arguments, *options, *logs],
            env=os.environ | {"OVS_RUNDIR": str(self.directory), "OVS_DBDIR": str(self.directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _schema() -> Path:
    for schema in SCHEMAS:
        if schema.exists():
            return schema
    raise PodwireError(f"Open vSwitch's schema is not at {' or '.join(map(str, SCHEMAS))}: install openvswitch-switch")
