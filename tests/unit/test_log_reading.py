"""Logs that are followed: what is written is told to its end, whatever becomes of the file meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from topo.agent.streams.logreading import LogOptions, read

pytestmark = pytest.mark.unit


def line(text: str) -> str:
    return f"2026-01-01T00:00:00.000000000Z stdout F {text}\n"


def write(path: Path, *texts: str) -> None:
    with path.open("a") as log:
        log.writelines(map(line, texts))


def followed(path: Path, *happenings: Callable[[], object]) -> list[str]:
    """The lines that are told while these things happen, one after the other; then the log has ended."""
    left = list(happenings)

    def ended() -> bool:
        if not left:
            return True
        left.pop(0)()
        return False

    async def told() -> bytes:
        return b"".join([text async for text in read(path, LogOptions(follow=True), ended)])

    return asyncio.run(told()).decode().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    write(path, "first")
    return path


def test_what_is_added_is_told(log: Path) -> None:
    assert followed(log, lambda: write(log, "second", "third"), lambda: write(log, "last")) == [
        "first", "second", "third", "last",
    ]  # fmt: skip


def test_last_words_are_told_though_the_file_is_taken_away(log: Path) -> None:
    def end() -> None:
        write(log, "last words")
        log.unlink()

    assert followed(log, end) == ["first", "last words"]


def test_a_log_that_begins_anew_in_another_file_misses_nothing(log: Path) -> None:
    def begin_anew() -> None:
        write(log, "second")
        log.rename(log.with_name("0.log.1"))
        write(log, "third")

    assert followed(log, begin_anew, lambda: write(log, "last")) == ["first", "second", "third", "last"]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    assert followed(log, lambda: None, lambda: write(log, "first")) == ["first"]


def test_a_line_is_told_when_it_is_whole(log: Path) -> None:
    def half(part: str) -> None:
        with log.open("a") as file:
            file.write(part)

    whole = line("second")
    assert followed(log, lambda: half(whole[:50]), lambda: half(whole[50:])) == ["first", "second"]
