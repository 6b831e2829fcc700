"""Reads containers' logs as `kubectl logs` asks for them, and follows those that are still written."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

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
    with closing(_Following(path)) as following:
        async for text in _followed(path, following, options, ended):
            yield text


async def _followed(
    path: Path, following: _Following, options: LogOptions, ended: Callable[[], bool]
) -> AsyncIterator[bytes]:
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
    """What is added to a log, also when it begins anew in another file, and to its end when it is taken away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def more(self) -> Iterator[bytes]:
        """The records since the last time."""
        yield from self._read()
        if self._begun_anew():
            yield from self._read()  # what was written after that, and before
            self.close()
            with suppress(OSError):
                self._file = self._path.open("rb")
            yield from self._read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""

    def _begun_anew(self) -> bool:
        try:
            there = self._path.stat().st_ino
        except OSError:
            return False
        return self._file is None or there != os.fstat(self._file.fileno()).st_ino

    def _read(self) -> Iterator[bytes]:
        while self._file is not None and (data := self._file.read(_CHUNK)):
            *records, self._rest = (self._rest + data).split(b"\n")
            yield from (record + b"\n" for record in records)
