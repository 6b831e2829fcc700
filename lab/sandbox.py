"""Sandboxes: how one is made and how it is entered, as argument lists for `unshare` and `nsenter`.

A sandbox is a set of namespaces (user when not root, network, mount, PID, IPC, UTS) with a first process. When that
process dies, by `kill -9` too, the kernel ends every process in the sandbox and removes its links, mounts and
namespaces, so nothing here ever cleans up. Inside, `/run` is a fresh tmpfs with `/run/netns`, and loopback is up
(`lab.inside`).

`python -m lab.sandbox -- ARGV...` runs one command in a fresh sandbox.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSIDE = Path(__file__).with_name("inside.py")
DRESSED = Path(__file__).with_name("dressed.py")
ETC_FOLDER = Path("/run/podwire/etc")
NETNS_FOLDER = Path("/run/netns")
MARKER = "PODWIRE_SANDBOX"  # "1" in the environment of everything inside a sandbox
_KINDS = ("mnt", "pid", "ipc", "uts")
_OPTIONS = {"mnt": "--mount", "pid": "--pid", "ipc": "--ipc", "uts": "--uts"}


def create_argv(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` as first process of a fresh sandbox; its exit code is that of `argv`.

    Open file descriptors, the working directory and the environment are passed on.
    """
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    kinds = ["--net", "--mount", "--pid", "--ipc", "--uts", "--propagation", "private", "--mount-proc"]
    # -I and -S: the first program needs the standard library alone, and starts in half the time.
    inside = [sys.executable, "-I", "-S", str(INSIDE), "--", *argv]
    return ["unshare", *user, *kinds, "--fork", "--kill-child", "--", *inside]


def enter_argv(pid: int, argv: Sequence[str], *, netns: str | None = None, etc: str | None = None) -> list[str]:
    """The command that runs `argv` in the sandbox of process `pid`, as the caller sees that pid.

    It runs in the sandbox's first network namespace, or in the one named `netns`, and with the files that `etc`
    ("pod-UID", "node-NAME", "outside") has as its own in /etc. The exit code is that of `argv`; what ends the caller
    ends `argv`, which nsenter by itself would leave running.
    """
    proc = Path("/proc") / str(pid)
    network = proc / "root" / NETNS_FOLDER.relative_to("/") / netns if netns else proc / "ns" / "net"
    user = [] if _same_namespace(proc / "ns" / "user") else ["--user", "--preserve-credentials"]
    kinds = [_OPTIONS[kind] for kind in _KINDS]
    dressed = [sys.executable, "-I", "-S", str(DRESSED), str(ETC_FOLDER / etc), "--"] if etc else []
    inside = ["env", f"{MARKER}=1", "setpriv", "--pdeathsig", "TERM", "--", *dressed, *argv]
    return ["nsenter", f"--target={pid}", *user, *kinds, f"--net={network}", "--", *inside]


def inside() -> bool:
    """Whether this process runs in a sandbox already."""
    return os.environ.get(MARKER) == "1"


def _same_namespace(path: Path) -> bool:
    """Whether the namespace at `path` is this process's own: a user namespace cannot be entered from itself."""
    mine = Path("/proc/self/ns") / path.name
    try:
        return path.stat().st_ino == mine.stat().st_ino
    except OSError:  # gone, or not ours to look at: nsenter says which
        return os.geteuid() == 0


def main(arguments: Sequence[str]) -> int:
    """Run `arguments` in a fresh sandbox, which ends with this process; the exit code of what ran."""
    argv = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not argv:
        print("usage: python -m lab.sandbox -- ARGV...", file=sys.stderr)
        return 2
    # unshare lets no SIGTERM through to what it runs; killed, it takes the sandbox along.
    outer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *create_argv(argv)])
    signal.signal(signal.SIGTERM, lambda number, frame: outer.kill())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to what runs inside, too
    code = outer.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
