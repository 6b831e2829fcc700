"""The first program in a sandbox: makes it fit to live in, then becomes the command it was given.

Run by path with `python -I -S`, so it imports the standard library alone and knows nothing of podwire.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

_MS_NOSUID, _MS_NODEV = 2, 4
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_INTERFACE_REQUEST = "16sh22x"  # struct ifreq with ifr_flags
_ADMIN_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")


def mount_tmpfs(target: str) -> None:
    """Lay a fresh tmpfs over `target`. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", target.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755"):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def set_link_up(name: str) -> None:
    """Bring an interface of this network namespace up. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack(_INTERFACE_REQUEST, name.encode(), 0)
        _, flags = struct.unpack(_INTERFACE_REQUEST, fcntl.ioctl(handle, _SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack(_INTERFACE_REQUEST, name.encode(), flags | _IFF_UP))


def environment() -> dict[str, str]:
    """The environment of everything inside: administrators' programs on PATH, and the mark of a sandbox."""
    path = [part for part in os.environ.get("PATH", "").split(":") if part]
    path += [part for part in _ADMIN_PATH if part not in path]
    return {**os.environ, "PATH": ":".join(path), "PODWIRE_SANDBOX": "1"}


def main(argv: list[str]) -> int:
    """Prepare the sandbox and become `argv`; exit codes 126 and 127 as a shell's where that fails."""
    try:
        mount_tmpfs("/run")
        Path("/run/netns").mkdir()
        set_link_up("lo")
    except OSError as error:
        print(f"podwire: cannot set up the sandbox: {error}", file=sys.stderr)
        return 126
    try:
        os.execvpe(argv[0], argv, environment())  # noqa: S606 - the command is what the caller asked for
    except OSError as error:
        print(f"podwire: cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
