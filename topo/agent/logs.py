"""What containers' commands say, kept for `kubectl logs`, in bounded files.

The format is the container runtime interface's, line by line: time, stream, `F` (or `P` for a part of a long line),
text.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

LIMIT_BYTES = 512 * 1024  # of a file; one older file is kept beside it
_LONGEST_LINE = 16 * 1024
_KEPT_RESTARTS = 1  # logs of earlier runs


def pod_folder(run: Path, namespace: str, pod: str, uid: str) -> Path:
    """Where the logs of a pod's containers are, as `kubelet` lays them out: CONTAINER/RESTARTS.log."""
    return run / "logs" / f"{namespace}_{pod}_{uid}"


class ContainerLog:
    """The log of one run of a container."""

    def __init__(self, folder: Path, container: str, restarts: int, *, limit_bytes: int = LIMIT_BYTES) -> None:
        directory = folder / container
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(max(0, restarts - _KEPT_RESTARTS)):
            _remove(directory / f"{number}.log")
        self.path = directory / f"{restarts}.log"
        self._limit = limit_bytes
        self._file: BinaryIO = self.path.open("ab")
        self._size = self._file.tell()
        self._rest: dict[str, bytes] = {}

    def write(self, stream: str, data: bytes, now: float) -> None:
        """Add output of `stream` (stdout or stderr); a line appears when it is complete."""
        *lines, rest = (self._rest.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._line(stream, "F", line, now)
        while len(rest) > _LONGEST_LINE:
            self._line(stream, "P", rest[:_LONGEST_LINE], now)
            rest = rest[_LONGEST_LINE:]
        self._rest[stream] = rest
        self._file.flush()

    def close(self, now: float) -> None:
        """Write what has no end of line yet, and close."""
        for stream, rest in self._rest.items():
            if rest:
                self._line(stream, "F", rest, now)
        self._file.close()

    def _line(self, stream: str, tag: str, text: bytes, now: float) -> None:
        when = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        record = f"{when} {stream} {tag} ".encode() + text + b"\n"
        if self._size + len(record) > self._limit and self._size:
            self._file.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))
            self._file, self._size = self.path.open("wb"), 0
        self._file.write(record)
        self._size += len(record)


def tail(path: Path, lines: int) -> str:
    """The text of the last lines of a log, on one line: for a status message."""
    try:
        records = path.read_bytes().splitlines()[-lines:]
    except OSError:
        return ""
    return " ".join(record.split(b" ", 3)[-1].decode(errors="replace") for record in records)


def _remove(path: Path) -> None:
    for one in (path, path.with_name(path.name + ".1")):
        one.unlink(missing_ok=True)
