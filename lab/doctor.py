"""What this machine can do: every feature tried, with what its absence costs and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import psutil

from k8sshim.errors import BadInput, Problem
from lab import sandbox
from lab.features import FEATURES, LIBRARIES, Feature
from lab.inside import environment

_TRY_S = 30
TUN = Path("/dev/net/tun")
_PROGRAMS = {
    "ovs-vswitchd": "openvswitch-switch",
    "mnexec": "mininet",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}


@dataclass(frozen=True)
class Finding:
    """One feature of this machine, as `podwire doctor --json` tells it."""

    feature: str
    found: bool
    detail: str
    cost: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found, and whether a lab can run."""

    findings: tuple[Finding, ...]
    able: bool

    def raw(self) -> list[dict[str, str | bool]]:
        return [asdict(finding) for finding in self.findings]


def diagnose(features: Sequence[Feature] = FEATURES) -> Diagnosis:
    """Try every feature. Nothing of it stays."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        tried = list(pool.map(try_out, features))
    able = all(finding.found for finding, feature in zip(tried, features, strict=True) if feature.required)
    return Diagnosis((*tried, *_facts()), able)


def try_out(feature: Feature) -> Finding:
    """Whether the machine has a feature."""
    argv = sandbox.create_argv(feature.argv) if feature.in_sandbox else list(feature.argv)
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TRY_S,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(feature.name, False, _reason(feature, str(error)), feature.cost, feature.remedy)
    if done.returncode:
        return Finding(feature.name, False, _reason(feature, done.stderr), feature.cost, feature.remedy)
    detail = _first_line(done.stdout or done.stderr) if feature.shows else "works"
    return Finding(feature.name, True, detail, feature.cost, feature.remedy)


def check() -> None:
    """Whether a lab may be tried at all, at no cost worth mentioning. Raises BadInput with everything in the way."""
    problems = [*_tun_problems(), *_program_problems(), *_namespace_problems()]
    if problems:
        raise BadInput(*map(Problem, problems))


def _tun_problems() -> Iterator[str]:
    if not TUN.exists():
        yield f"{TUN} is missing: no switch can be made; as root: modprobe tun"
    elif not os.access(TUN, os.R_OK | os.W_OK):
        yield f"no permission to open {TUN}; run podwire as root, or as root: chmod 0666 {TUN}"


def _program_problems() -> Iterator[str]:
    path = environment()["PATH"]
    for program, package in _PROGRAMS.items():
        if not shutil.which(program, path=path):
            yield f"{program} is not installed: apt-get install {package}"


def _namespace_problems() -> Iterator[str]:
    if os.geteuid() == 0 or not shutil.which("unshare"):
        return
    done = subprocess.run(sandbox.create_argv(["true"]), capture_output=True, text=True, check=False)
    if done.returncode:
        remedy = next(feature.remedy for feature in FEATURES if feature.name == "user namespaces")
        reason = _last_line(done.stderr)
        yield f"no permission to make user namespaces ({reason}); run podwire as root, or as root: {remedy}"


def _reason(feature: Feature, text: str) -> str:
    if not shutil.which(feature.argv[0], path=environment()["PATH"]):
        return "not installed"
    return _last_line(text) or "does not work"


def _facts() -> Iterator[Finding]:
    """What has no opposite: versions, and the machine's size."""
    yield Finding("Python", True, platform.python_version())
    for library in LIBRARIES:
        try:
            yield Finding(library, True, metadata.version(library))
        except metadata.PackageNotFoundError:
            yield Finding(library, False, "not installed", "podwire is not wholly installed", "make setup")
    yield Finding("kernel", True, f"{platform.system()} {platform.release()} {platform.machine()}")
    yield Finding("cores", True, str(len(os.sched_getaffinity(0))))
    yield Finding("memory", True, f"{psutil.virtual_memory().total // 2**20} MiB")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "works")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
