"""The log of denied connections as `podwire policy log` reads it: from the start, followed, turned over, in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Timer

import pytest

from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from lab.tracing import denied

pytestmark = pytest.mark.unit
DENIAL = {
    "time": "2026-01-02T03:04:05.678Z", "from": "shop/web", "from_address": "10.244.0.2", "from_port": 40000,
    "to": "shop/db", "to_address": "10.244.1.2", "port": 5432, "protocol": "TCP", "side": "ingress", "node": "node2",
    "policies": ["NetworkPolicy shop/db"], "rule": None,
}  # fmt: skip


def line(number: int, at: str = "03:04:05") -> str:
    return json.dumps({**DENIAL, "from_port": number, "time": f"2026-01-02T{at}.000Z"})


def ports(found: Iterator[Raw]) -> list[int]:
    return [one["from_port"] for one in found]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / "denied.jsonl"


class Writer:
    """Who writes the log, as the controller does, with room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        self._handler = RotatingFileHandler(path, maxBytes=room, backupCount=1)

    def write(self, *numbers: int) -> None:
        for number in numbers:
            self._handler.emit(LogRecord("denials", 20, "", 0, line(number), None, None))


def read(tail: denied.Tail) -> list[int]:
    return ports(denied.denials(tail.read()))


def test_a_log_that_is_not_there_yet_is_empty_until_it_is(log: Path) -> None:
    tail = denied.Tail(log)
    assert read(tail) == []
    Writer(log, 10**6).write(1, 2)
    assert read(tail) == [1, 2]
    assert read(tail) == []


def test_every_line_is_read_once_however_often_the_log_turns_over(log: Path) -> None:
    writer = Writer(log, 4 * len(line(10)))
    writer.write(*range(10, 15))
    tail = denied.Tail(log)
    found = read(tail)
    for first in range(15, 39, 3):
        writer.write(*range(first, first + 3))
        found += read(tail)
    assert log.with_name("denied.jsonl.1").exists()
    assert found == list(range(10, 39))


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    tail = denied.Tail(log)
    with log.open("w") as file:
        file.write(line(1)[:20])
        file.flush()
        assert tail.read() == []
        file.write(line(1)[20:] + "\n" + line(2))
        file.flush()
        assert read(tail) == [1]


def test_what_is_no_denial_is_passed_over() -> None:
    assert ports(denied.denials(["", "{", "[]", "null", line(1), "\ufffd"])) == [1]


def following(log: Path, **how: object) -> Iterator[Raw]:
    return denied.following(log, **{"tail": None, "since": "", "follow": False, **how})  # type: ignore[arg-type]


def test_only_the_last_and_only_of_late(log: Path) -> None:
    times = ((1, "03:00:00"), (2, "04:00:00"), (3, "05:00:00"))
    log.write_text("".join(f"{line(number, at)}\n" for number, at in times))
    assert ports(following(log)) == [1, 2, 3]
    assert ports(following(log, tail=2)) == [2, 3]
    assert ports(following(log, tail=0)) == []
    assert ports(following(log, tail=9)) == [1, 2, 3]
    assert ports(following(log, since="2026-01-02T04:00:00.000Z")) == [2, 3]
    assert ports(following(log, since="2026-01-02T04:00:00.000Z", tail=1)) == [3]


def test_a_log_is_followed_until_its_lab_is_gone(log: Path) -> None:
    writer = Writer(log, 10**6)
    writer.write(1)
    found = following(log, follow=True)
    assert next(found)["from_port"] == 1
    writer.write(2)
    assert next(found)["from_port"] == 2
    ending = Timer(0.1, shutil.rmtree, (log.parent,))
    ending.start()
    assert ports(found) == []
    ending.join()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2h", 7200), ("1h1m1s", 3661), ("0s", 0)]
)
def test_durations(text: str, seconds: int) -> None:
    assert denied.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5m1h", "1d", "yesterday", "9" * 30 + "h"])
def test_what_is_no_duration_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="--since: "):
        denied.duration(text)


def test_a_moment_is_told_as_the_log_tells_it() -> None:
    east = timezone(timedelta(hours=2))
    assert denied.moment(datetime(2026, 1, 2, 5, 4, 5, 678999, east)) == DENIAL["time"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "shop/web -> shop/db:5432 TCP  denied at ingress: isolated by NetworkPolicy shop/db"),
        (
            {"policies": ["NetworkPolicy shop/a", "NetworkPolicy shop/b"], "side": "egress"},
            "shop/web -> shop/db:5432 TCP  denied at egress: isolated by NetworkPolicy shop/a, NetworkPolicy shop/b",
        ),
        (
            {"policies": ["AdminNetworkPolicy no"], "rule": "ingress[1]"},
            "shop/web -> shop/db:5432 TCP  denied at ingress by AdminNetworkPolicy no ingress[1]",
        ),
        ({"policies": []}, "shop/web -> shop/db:5432 TCP  denied at ingress by a policy that is gone"),
        (
            {"protocol": "ICMP", "port": 0, "from": "outside"},
            "HOST -> shop/db ICMP  denied at ingress: isolated by NetworkPolicy shop/db",
        ),
    ],
)
def test_a_denial_in_words(changes: dict[str, object], words: str) -> None:
    assert denied.words({**DENIAL, **changes}) == f"2026-01-02T03:04:05.678Z  {words}"


def test_what_was_left_out_is_told_before_what_came_next() -> None:
    assert denied.left_out({**DENIAL, "left_out_before": 7}).startswith("7 more were denied here")
    assert denied.left_out(DENIAL) == ""
