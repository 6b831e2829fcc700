"""Columns of tables and the readers of their cells, and ages as people read them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from k8sshim.objects import Raw
from k8sshim.selectors import Selector

Cell = str | int | bool | None


@dataclass(frozen=True)
class Column:
    """A column; `read` gives its cell."""

    name: str
    read: Callable[[Raw], Cell]
    type: str = "string"
    priority: int = 0  # 1: only in wide output
    description: str = ""
    since: Callable[[Raw], Cell] | None = None  # a moment to tell beside the cell: `2 (5m ago)`


@dataclass(frozen=True)
class Dated(Column):
    """A column that reads a moment and shows how long ago that is."""

    never: str = "<unknown>"


@dataclass(frozen=True)
class Lasting(Column):
    """A column that reads a moment and shows how long it is from there to another, or to now."""

    until: Callable[[Raw], Cell] = lambda _: None


@dataclass(frozen=True)
class Printer:
    """The columns of a kind. Moments are shown against the present."""

    columns: tuple[Column, ...]

    def cells(self, raw: Raw, now: datetime) -> list[Cell]:
        return [_shown(column, raw, now) for column in self.columns]


def _shown(column: Column, raw: Raw, now: datetime) -> Cell:
    read = column.read(raw)
    if isinstance(column, Dated):
        return age(str(read), now) if read else column.never
    if isinstance(column, Lasting):
        end = column.until(raw)
        return age(str(read), _moment(str(end)) if end else now) if read else ""
    moment = column.since(raw) if column.since else None
    return f"{read} ({age(str(moment), now)} ago)" if moment else read


def age(moment: str | None, now: datetime) -> str:
    """How long ago, as Kubernetes' `duration.HumanDuration` writes it: `5s`, `3m20s`, `2d4h`."""
    if not moment:
        return "<unknown>"
    return human_duration(int((now.astimezone(timezone.utc) - _moment(moment)).total_seconds()))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def human_duration(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    for unit, below, larger, smaller in (
        ("s", seconds < 120, max(seconds, 0), 0),
        ("ms", minutes < 10, minutes, seconds % 60),
        ("m", minutes < 180, minutes, 0),
        ("hm", hours < 8, hours, minutes % 60),
        ("h", hours < 48, hours, 0),
        ("dh", days < 8, days, hours % 24),
        ("d", days < 730, days, 0),
        ("yd", days < 2920, days // 365, days % 365),
    ):
        if below:
            return f"{larger}{unit[0]}" + (f"{smaller}{unit[1]}" if smaller else "")
    return f"{days // 365}y"


def at(raw: Raw, path: str, default: Any = None) -> Any:
    """The value at a dotted path, or the default where there is none."""
    value: Any = raw
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return default if value is None else value


def text(path: str, default: str = "") -> Callable[[Raw], Cell]:
    return lambda raw: str(at(raw, path, default))


def number(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: at(raw, path, 0)


def count(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: len(at(raw, path, ()))


def labels_text(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def label_selector(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: str(Selector.from_raw(at(raw, path, {}))) or "<none>"


def map_selector(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: labels_text(at(raw, path))


def containers(what: str, path: str = "spec.template.spec.containers") -> Callable[[Raw], Cell]:
    return lambda raw: ",".join(str(container.get(what, "")) for container in at(raw, path, ()))


NAME = Column("Name", text("metadata.name"))
AGE = Dated("Age", text("metadata.creationTimestamp"))


def wide(name: str, read: Callable[[Raw], Cell]) -> Column:
    return Column(name, read, priority=1)


def numeric(name: str, path: str) -> Column:
    return Column(name, number(path), "integer")
