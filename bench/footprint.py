"""What labs of one state folder have on this machine: processes, links, namespaces, mounts and files.

Processes are known by the state folder in their environment, which every process of a lab inherits; links, named
network namespaces and mounts are those of the host as a whole. The kernel ends a namespace that neither a process nor
a mount holds, so those two tell of all namespaces.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_KINDS = ("net", "mnt", "pid", "ipc", "uts", "user")


@dataclass(frozen=True)
class Footprint:
    """Names of everything that is there."""

    processes: frozenset[int]
    links: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    files: frozenset[str]

    def beyond(self, before: Footprint) -> dict[str, list[str]]:
        """What is there now and was not before, by kind; kinds without any are left out."""
        found = {
            "processes": sorted(map(str, self.processes - before.processes)),
            "links": sorted(self.links - before.links),
            "namespaces": sorted(self.namespaces - before.namespaces),
            "mounts": sorted(self.mounts - before.mounts),
            "files": sorted(self.files - before.files),
        }
        return {kind: names for kind, names in found.items() if names}


def look(home: Path) -> Footprint:
    """What is there now; files are those of the state folder beside the labs' own folders."""
    processes = frozenset(_processes(home))
    named = Path("/run/netns")
    held = {f"netns {one.name}" for one in named.iterdir()} if named.is_dir() else set()
    mine = {_link(os.getpid(), kind) for kind in _KINDS}
    of_labs = {_link(pid, kind) for pid in processes for kind in _KINDS} - mine - {""}
    return Footprint(
        processes=processes,
        links=frozenset(one.name for one in Path("/sys/class/net").iterdir()),
        namespaces=frozenset(held | of_labs),
        mounts=frozenset(line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        files=frozenset(
            str(path.relative_to(home))
            for path in home.rglob("*")
            if path.parent != home / "labs" and (home / "labs") not in path.parent.parents
        ),
    )


def memory_mib(pid: int) -> tuple[float, float]:
    """Proportional and resident set size of a process and all its descendants, in MiB."""
    one = psutil.Process(pid)
    pss = rss = 0
    for process in (one, *one.children(recursive=True)):
        try:
            known = process.memory_full_info()
        except psutil.NoSuchProcess:  # a probe or a tool that ended meanwhile
            continue
        pss, rss = pss + known.pss, rss + known.rss
    return pss / 2**20, rss / 2**20


def _processes(home: Path) -> set[int]:
    wanted = f"PODWIRE_HOME={home}".encode()
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:  # gone, or another user's
                continue
            if wanted in environment.split(b"\0"):
                found.add(int(process.name))
    return found


def _link(pid: int, kind: str) -> str:
    try:
        return str((Path("/proc") / str(pid) / "ns" / kind).readlink())
    except OSError:
        return ""
