"""Looks at this host once, for the boxes that containers' commands run in, and prepares what those need."""

from __future__ import annotations

import ctypes
import os
import posixpath
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError
from topo.agent.bubblewrap import ABSENT, DEVICES, WRITABLE, Host
from topo.agent.environment import CONTAINER_PATH

_OWN_OF_A_PROCESS = ("self", "thread-self", "net", "mounts")  # links in /proc that lead into one's own process
_VAR_PARENTS = ("cache", "lib", "log", "spool")
_SECRETS = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssl/private", "/etc/ssh")
OWN_FILES = ("hostname", "hosts", "resolv.conf")  # of every pod's /etc
_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 1, 32, 4096
# What an unprivileged mount must keep when it is mounted anew: statvfs' flags are the kernel's mount flags here.
_KEPT_FLAGS = os.ST_NOSUID | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME


def look(hide: Sequence[Path], run: Path, show: Sequence[Path] = ()) -> Host:
    """The host as boxes see it. Raises BadInput for a folder to hide or to show that is not there."""
    top = sorted(Path("/").iterdir())
    secrets = [Path(path) for path in _SECRETS if Path(path).exists()]
    resolved = {name: os.path.realpath(f"/etc/{name}") for name in OWN_FILES}
    in_place = all(map(_can_be_bound, resolved.values()))
    own_files = resolved if in_place else {name: f"/etc/{name}" for name in OWN_FILES}
    folders_to_hide = [*(_folder(path, "--hide") for path in hide), *(str(path) for path in secrets if path.is_dir())]
    return Host(
        folders=tuple(path.name for path in top if path.is_dir() and not path.is_symlink()),
        links=tuple((path.name, str(path.readlink())) for path in top if path.is_symlink()),
        var_folders=_var_folders(),
        proc_entries=_proc_entries(),
        hidden=tuple(folders_to_hide),
        masked=tuple(str(path) for path in secrets if path.is_file()),
        devices=str(run / "dev"),
        nsenter=_program("nsenter"),
        bwrap=_program("bwrap"),
        setpriv=_program("setpriv"),
        own_files=tuple(own_files.items()),
        etc=() if in_place else _etc_entries(),
        shown=tuple(dict.fromkeys(way for path in show for way in (_folder(path, "--show"), str(path.absolute())))),
    )


def find_program(host: Host, name: str, path: str) -> str | None:
    """Where a box finds the program `name`: by the search path, or where it says. None: not on this host."""
    found = shutil.which(name, path=path) if "/" not in name else name
    if not found or not found.startswith("/"):
        return None
    resolved = os.path.realpath(found)
    usable = Path(resolved).is_file() and os.access(resolved, os.X_OK)
    return found if usable and host.shows(resolved) and host.shows(_resolved_folder(found)) else None


def prepare_devices(host: Host) -> None:
    """Mount the device nodes of boxes, read-only, beneath the lab's own /run. Doing it again is no error."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name in DEVICES:
        source, target = Path("/dev") / name, Path(host.devices) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and stat.S_ISCHR(target.stat().st_mode):
            continue
        target.touch()
        _mount(libc, str(source), str(target), _MS_BIND)
        kept = os.statvfs(target).f_flag & _KEPT_FLAGS
        _mount(libc, "none", str(target), _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


def _mount(libc: ctypes.CDLL, source: str, target: str, flags: int) -> None:
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None):
        number = ctypes.get_errno()
        raise PodwireError(f"cannot mount {source} on {target}: {os.strerror(number)}")


def _resolved_folder(path: str) -> str:
    return os.path.realpath(posixpath.dirname(path))


def _folder(path: Path, option: str) -> str:
    if not path.is_dir():
        raise BadInput.of("no such folder", object=option, field=str(path))
    return os.path.realpath(path)


def _program(name: str) -> str:
    return shutil.which(name, path=CONTAINER_PATH) or f"/usr/bin/{name}"


def _can_be_bound(path: str) -> bool:
    """Whether a box has a file there, or a tmpfs in which one can be made."""
    top = path.split("/")[1]
    return top in WRITABLE or (top not in ABSENT and Path(path).is_file())


def _etc_entries() -> tuple[str, ...]:
    return tuple(str(path) for path in sorted(Path("/etc").iterdir()) if path.name not in OWN_FILES and path.exists())


def _var_folders() -> tuple[str, ...]:
    parents = [Path("/var") / name for name in _VAR_PARENTS]
    found = [str(parent) for parent in parents]
    for parent in parents:
        if parent.is_dir():
            found += sorted(str(path) for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    return tuple(found)


def _proc_entries() -> tuple[str, ...]:
    """Everything in /proc that is not a process's own and could be written, or holds something that could."""
    names = []
    for path in sorted(Path("/proc").iterdir()):
        if path.name.isdigit() or path.name in _OWN_OF_A_PROCESS or path.is_symlink():
            continue
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) or mode & 0o222:
            names.append(path.name)
    return tuple(names)
