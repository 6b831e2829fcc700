"""What a report tells beside its plots: sentences and tables, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from k8sshim.objects import Raw

TEMPLATE = "story.html"


@dataclass(frozen=True)
class Table:
    """Rows of text under the columns' names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Story:
    """A run in words and numbers."""

    headline: tuple[str, ...]
    limits: tuple[str, ...]  # the machine's part in it
    notes: tuple[str, ...]  # how the numbers are to be read
    tables: tuple[Table, ...]

    def page(self) -> Raw:
        """What the template shows beside what every report has."""
        return {"headline": self.headline, "limits": self.limits, "story": self}
