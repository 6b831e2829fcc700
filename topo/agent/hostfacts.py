"""What the nodes say of the machine that they are emulated on, read from it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from topo.agent.registration import HostFacts

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def read() -> HostFacts:
    """This machine's facts; what cannot be read is empty."""
    machine = platform.machine()
    return HostFacts(
        architecture=_ARCHITECTURES.get(machine, machine),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        cpus=os.cpu_count() or 1,
        memory_kib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024,
        podwire=_podwire(),
        bubblewrap=_bubblewrap(),
    )


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _podwire() -> str:
    try:
        return version("podwire")
    except PackageNotFoundError:
        return "unknown"


def _bubblewrap() -> str:
    try:
        done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip().removeprefix("bubblewrap ")
