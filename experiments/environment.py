"""What a run was measured on: the machine, its software, and the lab's own make-up. Recorded with every result.

Everything is asked of the programs and files themselves. What cannot be had is None, never left out.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import psutil

from experiments.floors import datapath_type
from experiments.inside import Sandbox
from k8sshim.cluster import Cluster
from k8sshim.objects import Raw
from topo.plan import Plan

_OFFLOADS = ("tx-checksumming", "tcp-segmentation-offload", "generic-segmentation-offload", "generic-receive-offload")
_LIBRARIES = ("podwire", "mininet", "os-ken", "pyroute2", "matplotlib", "numpy")
_PROGRAMS = {
    "openvswitch": ("ovs-vswitchd", "--version"),
    "iperf3": ("iperf3", "--version"),
    "irtt": ("irtt", "version"),
}
_PATIENCE_S = 10.0
_CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")


def machine() -> Raw:
    """The machine as it is before anything is started."""
    load = os.getloadavg()
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "distribution": _distribution(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_mib": psutil.virtual_memory().total >> 20,
        "virtualisation": first_line(["systemd-detect-virt"]),
        "load_before": [round(one, 2) for one in load],
        "tcp_congestion_control": _text(_CONGESTION),
    }


def versions() -> Raw:
    """Versions of podwire, of what it stands on, and of the tools; podwire's commit where there is one."""
    python = {"python": platform.python_version()}
    libraries = {name: _library(name) for name in _LIBRARIES}
    programs = {name: first_line(argv) for name, argv in _PROGRAMS.items()}
    return {**python, **libraries, **programs, "commit": _commit()}


def lab(sandbox: Sandbox, plan: Plan, netns: str) -> Raw:
    """The lab: its datapath, placement, pod network and MTUs; which offloads are asked for, and which a client has."""
    cluster: Cluster = plan.cluster()
    return {
        "nodes": sum(1 for switch in cluster.switches if switch.node),
        "switches": len(cluster.switches),
        "datapath": {"netdev": "userspace", "system": "kernel"}.get(datapath_type(sandbox)),
        "ovs_vswitchd_processes": len(plan.groups),
        "userspace_tso": _setting(sandbox, "userspace-tso-enable"),
        "network_mode": plan.spec.network.mode,
        "path_mtu_discovery": plan.spec.network.path_mtu_discovery,
        "link_mtu": plan.spec.links.usual.mtu or plan.spec.mtu,
        "pod_mtu": cluster.pod_mtu,
        "offload": "on" if plan.spec.offload else "off",
        "offloads": _offloads(sandbox, netns),
    }


def _offloads(sandbox: Sandbox, netns: str) -> Raw:
    listed = sandbox.run(["ethtool", "--show-offload", "eth0"], netns=netns).stdout
    features = dict(line.strip().split(": ", 1) for line in listed.splitlines() if ": " in line)
    return {name: features[name].split()[0] if name in features else None for name in _OFFLOADS}


def _setting(sandbox: Sandbox, name: str) -> str | None:
    query = [
        "--db=unix:/run/podwire/switchd/0/db.sock",
        "--if-exists",
        "get",
        "Open_vSwitch",
        ".",
        f"other_config:{name}",
    ]
    return sandbox.run(["ovs-vsctl", *query]).stdout.strip().strip('"') or None


def _commit() -> str | None:
    """The commit of the checkout that runs; None in an installed package.

    It is marked where files differ from it, unless it takes too long to find out (all are read anew in a micro-VM).
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    described = first_line([*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
    return described or first_line([*git, "rev-parse", "--short=12", "HEAD"])


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _processor() -> str | None:
    lines = (_text(Path("/proc/cpuinfo")) or "").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def first_line(argv: Sequence[str], patience_s: float = _PATIENCE_S) -> str | None:
    """The first line that a program prints; None where it is missing, or says nothing in that time."""
    program = shutil.which(argv[0]) or shutil.which(argv[0], path="/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False, timeout=patience_s)
    except subprocess.TimeoutExpired:
        return None
    lines = done.stdout.splitlines()
    return lines[0].strip() if lines else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
