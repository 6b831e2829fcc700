"""Starts a lab's sandbox: writes its folder, opens the API's socket on the host, and runs the supervisor.

Everything here happens before there is anything to wait for; `lab.lifecycle` waits.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psutil
import yaml

from k8sshim import pki
from k8sshim.errors import PodwireError
from lab import sandbox, state
from lab.assembly import INNER_KUBECONFIG
from lab.components import API_ADDRESS
from lab.events import Listener
from lab.state import Claim, Lab
from lab.waiting import wait_until
from topo import spec
from topo.spec import ClusterSpec

_START_S = 10.0


@dataclass(frozen=True)
class Launched:
    """A lab whose supervisor runs."""

    lab: Lab
    listener: Listener


@contextmanager
def launch(claim: Claim, cluster: ClusterSpec) -> Iterator[Launched]:
    """Start the supervisor; the lab lives on when the context ends. The claim is the supervisor's afterwards.

    Raises PodwireError where the sandbox does not start.
    """
    reading, writing = os.pipe()
    try:
        process = _start(claim, cluster, writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
        claim.release()  # the supervisor has it now
    try:
        lab = Lab(
            name=claim.name,
            folder=claim.folder,
            pid=_supervisor(process, claim.folder / "log" / "supervisor.log"),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            nodes=tuple(node.name for node in cluster.nodes),
            state=state.STARTING,
        )
        state.write(lab)
        yield Launched(lab, Listener(reading))
    finally:
        os.close(reading)


def last_line(log: Path) -> str:
    """The last line that a log has; "" where it has none."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _write_folder(folder: Path, cluster: ClusterSpec, port: int) -> None:
    (folder / "cluster.yaml").write_text(yaml.safe_dump(spec.to_raw(cluster), sort_keys=False))
    keys = folder / "pki"
    pki.create(
        keys,
        service_cidrs=[str(network) for network in cluster.ranges.services],
        now=datetime.now(timezone.utc),
        control_plane=[str(address) for address in cluster.ranges.control_plane],
        domain=cluster.dns.domain,
    )
    _write_secret(folder / "kubeconfig", pki.kubeconfig(keys, f"https://127.0.0.1:{port}", folder.name))
    _write_secret(folder / INNER_KUBECONFIG, pki.kubeconfig(keys, f"https://{API_ADDRESS}", folder.name))


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _start(claim: Claim, cluster: ClusterSpec, events_fd: int) -> subprocess.Popen[bytes]:
    """Write the lab's folder and run the supervisor in a fresh sandbox, whose outer end is the process returned."""
    logs = claim.folder / "log"
    logs.mkdir()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=512) as api,
        (logs / "supervisor.log").open("ab") as log,
    ):
        _write_folder(claim.folder, cluster, api.getsockname()[1])
        descriptors = {"--listen-fd": api.fileno(), "--events-fd": events_fd, "--lock-fd": claim.descriptor}
        options = [word for option, descriptor in descriptors.items() for word in (option, str(descriptor))]
        argv = [sys.executable, "-m", "lab.supervisor", "--folder", str(claim.folder), *options]
        return subprocess.Popen(
            sandbox.create_argv(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(descriptors.values()),
            start_new_session=True,  # the terminal's Ctrl-C is for `podwire up`, which decides what becomes of the lab
            cwd="/",
        )


def _supervisor(process: subprocess.Popen[bytes], log: Path) -> int:
    """The process id of the sandbox's first process, on this side of the sandbox. Raises PodwireError."""
    found: list[int] = []

    def started() -> bool:
        with suppress(psutil.NoSuchProcess):
            found.extend(child.pid for child in psutil.Process(process.pid).children())
        return bool(found) or process.poll() is not None

    try:
        wait_until(started, _START_S)
    except BaseException:
        process.kill()
        raise
    if not found:
        raise PodwireError(f"the sandbox does not start: {last_line(log)}")
    return found[0]
