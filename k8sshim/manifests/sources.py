"""Where manifests come from: files, folders, and standard input (`-`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from k8sshim.errors import Problem

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """A text that was read, under the name that messages give it."""

    file: str
    text: str


def read(name: str, *, recursive: bool) -> tuple[list[Source], list[Problem]]:
    """The texts behind one name of the command line, and what could not be read."""
    if name == STDIN:
        return _decoded("standard input", sys.stdin.buffer.read(MAX_BYTES + 1))
    path = Path(name)
    try:
        files = sorted(_manifests(path, recursive=recursive)) if path.is_dir() else [path]
    except OSError as error:
        return [], [Problem(_reason(error), file=name)]
    if not files:
        return [], [
            Problem(f"the folder holds no manifest ({', '.join(f'*{suffix}' for suffix in SUFFIXES)})", file=name)
        ]
    read_files = [_read(file) for file in files]
    return [each for found, _ in read_files for each in found], [each for _, wrong in read_files for each in wrong]


def _manifests(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Links to folders are not followed, so a loop of them ends nowhere."""
    for entry in folder.iterdir():
        if entry.is_dir():
            if recursive and not entry.is_symlink():
                yield from _manifests(entry, recursive=True)
        elif entry.suffix in SUFFIXES:
            yield entry


def _read(path: Path) -> tuple[list[Source], list[Problem]]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return [], [Problem(_reason(error), file=str(path))]
    except ValueError:  # a NUL in the name
        return [], [Problem("is no file name", file=repr(str(path)))]
    return _decoded(str(path), data)


def _decoded(file: str, data: bytes) -> tuple[list[Source], list[Problem]]:
    if len(data) > MAX_BYTES:
        return [], [Problem(f"is larger than {MAX_BYTES // 1024 // 1024} MiB", file=file)]
    try:
        return [Source(file, data.decode("utf-8-sig"))], []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [Problem(f"is no text: byte 0x{data[error.start]:02x} in line {line} is not UTF-8", file=file)]


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
