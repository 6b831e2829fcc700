"""Open vSwitch's programs as functions: argument lists in, text out, one line of error."""

from __future__ import annotations

import subprocess
from pathlib import Path

from k8sshim.errors import PodwireError

TRANSACTION_TIMEOUT_S = 60
DAEMONS = ("ovs-vswitchd", "ovsdb-server")


def vsctl(database: Path, *arguments: str) -> str:
    """Runs ovs-vsctl on a database. Raises PodwireError with what it said."""
    return run(["ovs-vsctl", f"--db=unix:{database}", f"--timeout={TRANSACTION_TIMEOUT_S}", *arguments])


def version() -> str:
    """Open vSwitch's version, as in "3.1.0"."""
    return run(["ovs-vsctl", "--version"]).split("\n", 1)[0].split()[-1]


def run(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PodwireError(f"{argv[0]} is not installed: install openvswitch-switch") from None
    if done.returncode:
        raise PodwireError(f"{argv[0]}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
    return done.stdout
