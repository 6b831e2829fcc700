"""Tests of this tier make namespaces, links and Open vSwitch daemons, so they run in a sandbox or not at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from topo.netns import SYSCTLS, LinuxNamespaces
from topo.ovs import kernel_datapath

HOW = "not in a sandbox: run `python -m lab.sandbox -- python -m pytest tests/netns`"


@pytest.fixture(autouse=True, scope="session")
def in_a_sandbox() -> None:
    """Skips every test outside a sandbox: nothing may be made in the machine's own namespaces."""
    if os.environ.get("PODWIRE_SANDBOX") != "1":
        pytest.skip(HOW)


@pytest.fixture(autouse=True, scope="module")
def nothing_left_behind(in_a_sandbox: None) -> Iterator[None]:
    """Modules come in any order, and what is killed on purpose leaves its links and namespaces."""
    yield
    links = subprocess.run(["ip", "-json", "link", "show", "type", "veth"], capture_output=True, text=True, check=True)
    for link in json.loads(links.stdout or "[]"):
        subprocess.run(["ip", "link", "delete", link["ifname"]], check=False)  # its other end went with another
    namespaces = LinuxNamespaces()
    namespaces.delete(sorted(namespaces.names()))


@pytest.fixture(autouse=True)
def settings_as_before(in_a_sandbox: None) -> Iterator[None]:
    """What a topology sets for the namespace that it is in ends with the test: others want IPv6 there."""
    files = [path for name in SYSCTLS if (path := Path("/proc/sys", name)).exists()]
    before = [path.read_text() for path in files]
    yield
    for path, text in zip(files, before, strict=True):
        path.write_text(text)


@pytest.fixture(scope="session")
def sctp(in_a_sandbox: None) -> None:
    """Skips tests by SCTP where the kernel has none."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError as error:
        pytest.skip(f"the kernel has no SCTP: {error.strerror}")


@pytest.fixture(scope="session")
def sctp_through_switches(sctp: None) -> None:
    """Skips tests by SCTP where no switch can follow its connections."""
    if not kernel_datapath():
        pytest.skip("Open vSwitch has no datapath in the kernel, and its own conntrack does not know SCTP")
