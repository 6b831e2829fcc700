"""The log of denied connections of a lab: read, followed while it grows and turns over, and told in words."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TextIO

from k8sshim.cluster import OUTSIDE as OUTSIDE_HOST
from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from lab.inventory import OUTSIDE

PAUSE_S = 0.1  # between looks at a log that is followed
_DURATION = re.compile(r"(?:(\d{1,7})h)?(?:(\d{1,7})m)?(?:(\d{1,7})s)?")


@dataclass
class Tail:
    """A log that somebody writes, which becomes `FILE.1` when it is long and begins anew. Open from the first read."""

    path: Path
    _file: TextIO | None = field(default=None, init=False)
    _half: str = field(default="", init=False)

    def read(self) -> list[str]:
        """The whole lines that have come since; first of all those of the file that was put aside before."""
        found: list[str] = []
        if self._file is None:
            self._file = _open(self.path)
            found += self._put_aside()
        found += self._rest()
        if self._has_turned():
            found += self._rest()  # what was written before it was put aside
            self.close()
            self._file = _open(self.path)
            found += self._rest()
        return found

    def close(self) -> None:
        if self._file:
            self._file.close()
        self._file, self._half = None, ""

    def _rest(self) -> list[str]:
        text = self._half + (self._file.read() if self._file else "")
        *lines, self._half = text.split("\n")
        return lines

    def _put_aside(self) -> list[str]:
        before = _open(self.path.with_name(f"{self.path.name}.1"))
        if before is None:
            return []
        with before:
            if self._file and _same(before, self._file):  # put aside after it was opened
                return []
            return before.read().split("\n")[:-1]

    def _has_turned(self) -> bool:
        now = _open(self.path)
        if now is None or self._file is None:
            return False
        with now:
            return not _same(now, self._file)


def _open(path: Path) -> TextIO | None:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _same(one: TextIO, other: TextIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def denials(lines: Sequence[str], since: str = "") -> Iterator[Raw]:
    """What lines tell, from a time on (as the log writes times); a line that was cut off tells nothing."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and str(found.get("time", "")) >= since:
            yield found


def following(path: Path, *, tail: int | None, since: str, follow: bool) -> Iterator[Raw]:
    """The last `tail` denials there are (None: all), then each as it comes for as long as the lab is there."""
    log = Tail(path)
    try:
        found = list(denials(log.read(), since))
        yield from found if tail is None else found[max(len(found) - tail, 0) :]
        while follow and path.parent.is_dir():
            yield from denials(log.read(), since)
            time.sleep(PAUSE_S)
    finally:
        log.close()


def duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h30m`. Raises BadInput."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise BadInput.of(f'--since: "{text}" is no duration such as 90s, 5m or 1h30m')
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def moment(when: datetime) -> str:
    """A time as the log writes it."""
    return when.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def words(denial: Raw) -> str:
    """A denial in a line: when, who asked whom, on which side it was denied, and by what."""
    port = f":{denial['port']}" if denial.get("port") else ""
    ends = f"{_name(denial, 'from')} -> {_name(denial, 'to')}{port} {denial.get('protocol')}"
    return f"{denial.get('time')}  {ends}  denied at {denial.get('side')}{_by(denial)}"


def left_out(denial: Raw) -> str:
    """How many denials before this one the log has no lines of, in words; "" where it has all."""
    count = denial.get("left_out_before")
    return f"{count} more were denied here, faster than the log takes them" if count else ""


def _name(denial: Raw, end: str) -> str:
    name = str(denial.get(end))
    return OUTSIDE if name == OUTSIDE_HOST else name


def _by(denial: Raw) -> str:
    more = f" and {denial['policies_more']} more" if denial.get("policies_more") else ""
    policies = ", ".join(denial.get("policies") or ()) + more
    if denial.get("rule"):
        return f" by {policies} {denial['rule']}"
    return f": isolated by {policies}" if policies else " by a policy that is gone"
