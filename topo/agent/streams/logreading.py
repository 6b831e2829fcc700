"""Reads containers' logs as `kubectl logs` asks for them, and follows those that are still written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from k8sshim.errors import BadInput
from k8sshim.objects import Raw

_LOOK_AGAIN_S = 0.1
_CHUNK = 256 * 1024


@dataclass(frozen=True)
class LogOptions:
    """Which lines, and how (the fields of PodLogOptions)."""

    follow: bool = False
    tail_lines: int | None = None
    since: float | None = None  # seconds since the epoch
    timestamps: bool = False
    limit_bytes: int | None = None

    @classmethod
    def parse(cls, raw: Raw, now: float) -> LogOptions:
        """From what the API server passes on. Raises BadInput."""
        since = now - raw["sinceSeconds"] if raw.get("sinceSeconds") is not None else None
        if raw.get("sinceTime"):
            since = _moment(raw["sinceTime"])
        return cls(
            follow=bool(raw.get("follow")),
            tail_lines=raw.get("tailLines"),
            since=since,
            timestamps=bool(raw.get("timestamps")),
            limit_bytes=raw.get("limitBytes"),
        )


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError as error:
        raise BadInput.of(f"{text!r} is no time (RFC 3339)", field="sinceTime") from error


async def read(path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The text of a log; while it is followed, until `ended` says that no more is written."""
    left = options.limit_bytes
    async for text in _text(path, options, ended):
        if left is not None and len(text) >= left:
            yield text[:left]
            return
        left = None if left is None else left - len(text)
        yield text


async def _text(path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    following = _Following(path)
    present = [*_older(path), *following.more()]
    shown = [text for record in present if (text := _shown(record, options)) is not None]
    if options.tail_lines is not None:
        shown = list(deque(shown, maxlen=options.tail_lines))
    yield b"".join(shown)
    while options.follow:
        over = ended()
        fresh = b"".join(filter(None, (_shown(record, options) for record in following.more())))
        if fresh:
            yield fresh
        elif over:
            return
        else:
            await asyncio.sleep(_LOOK_AGAIN_S)


def _older(path: Path) -> list[bytes]:
    older = path.with_name(path.name + ".1")
    return older.read_bytes().splitlines(keepends=True) if older.exists() else []


def _shown(record: bytes, options: LogOptions) -> bytes | None:
    """A line of the log as it is shown; None for one that is too old, or none."""
    parts = record.split(b" ", 3)
    if len(parts) < 4:
        return None
    moment, _, tag, text = parts
    if options.since is not None and _moment(f"{moment[:26].decode()}Z") < options.since:
        return None
    if tag == b"P":
        text = text.rstrip(b"\n")
    return moment + b" " + text if options.timestamps else text


class _Following:
    """What is added to a log, also when it begins anew in another file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._at, self._rest = 0, 0, b""

    def more(self) -> Iterable[bytes]:
        """The records since the last time."""
        try:
            status = self._path.stat()
        except OSError:
            return
        if status.st_ino != self._inode and self._inode:
            yield from self._read(self._path.with_name(self._path.name + ".1"))
            self._at, self._rest = 0, b""
        self._inode = status.st_ino
        yield from self._read(self._path)

    def _read(self, path: Path) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                file.seek(self._at)
                while data := file.read(_CHUNK):
                    self._at += len(data)
                    *records, self._rest = (self._rest + data).split(b"\n")
                    yield from (record + b"\n" for record in records)
        except OSError:
            return
