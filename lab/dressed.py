"""Becomes a command that sees a pod's (or a node's) own hostname, /etc/hosts, /etc/resolv.conf and token.

Run by path with `python -I -S` in a sandbox, so it imports the standard library alone and knows nothing of podwire. The
files are bound over those in /etc in a mount namespace that the command alone has: nothing changes for anybody else.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUTS = 0x00020000, 0x04000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 0x1000, 0x4000, 0x40000, 2, 4
_ETC = Path("/etc")
_ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount")
_libc = ctypes.CDLL(None, use_errno=True)


def dress(folder: Path) -> None:
    """Give this process the files of `folder` in its /etc, and the hostname that is among them. Raises OSError."""
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWUTS)
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    files = {path.name: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    hostname = files["hostname"].read_text().strip().encode()
    _call("sethostname", hostname, ctypes.c_size_t(len(hostname)))
    missing = [name for name in files if not _target(name).is_file()]
    if missing:
        _make_etc_anew(folder, missing)
    for name, source in files.items():
        _mount(str(source), str(_target(name)), _MS_BIND)
    if (folder / "serviceaccount").is_dir():
        _ACCOUNT.mkdir(parents=True, exist_ok=True)
        _mount(str(folder / "serviceaccount"), str(_ACCOUNT), _MS_BIND)


def _target(name: str) -> Path:
    return Path(os.path.realpath(_ETC / name))


def _make_etc_anew(folder: Path, missing: list[str]) -> None:
    """An /etc of links into the machine's own, and of empty files in place of what it lacks or what leads nowhere."""
    behind = folder.parent / ".machine"
    behind.mkdir(exist_ok=True)
    _mount(str(_ETC), str(behind), _MS_BIND | _MS_REC)
    _mount("tmpfs", str(_ETC), _MS_NOSUID | _MS_NODEV, "tmpfs")
    for entry in behind.iterdir():
        if entry.name not in missing:
            (_ETC / entry.name).symlink_to(entry)
    for name in missing:
        (_ETC / name).touch()


def _mount(source: str, target: str, flags: int, kind: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None)
    _call("mount", *arguments, about=target)


def _call(function: str, *arguments: object, about: str = "") -> None:
    if getattr(_libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about or function)


def main(folder: Path, argv: list[str]) -> int:
    """Become `argv`, dressed where the folder is there; exit codes 126 and 127 as a shell's where that fails."""
    try:
        if folder.is_dir():
            dress(folder)
    except OSError as error:
        print(f"podwire: cannot give the command its own /etc: {error}", file=sys.stderr)
        return 126
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - the command is the user's own
    except OSError as error:
        print(f"podwire: cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[3:]))
