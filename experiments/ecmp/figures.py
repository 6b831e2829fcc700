"""What port counters say of how connections spread over equal ways. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments import limits
from experiments.balancing.figures import LEVEL, Test, chi_square, numbers
from experiments.results import Labels, Run
from experiments.statistics import quantile
from experiments.story import Story, Table
from experiments.sweep import words

_OWN = ("path", "locality", "protocol", "connections", "switch", "way")


@dataclass(frozen=True)
class Choice:
    """What one switch did with so many connections at a time."""

    lab: Labels  # what was swept
    switch: str
    connections: int
    counts: tuple[dict[str, float], ...]  # by way, a repetition each

    @property
    def ways(self) -> list[str]:
        return sorted({way for counts in self.counts for way in counts})

    @property
    def test(self) -> Test:
        """Pearson's chi-square of the counts against equal shares, over all repetitions."""
        equal = dict.fromkeys(self.ways, 1 / len(self.ways))
        return chi_square([({way: round(count) for way, count in counts.items()}, equal) for counts in self.counts])

    @property
    def fullest(self) -> float:
        """The fullest way over an equal share, at the median of the repetitions."""
        each = [max(counts.values()) * len(self.ways) / sum(counts.values()) for counts in self.counts]
        return quantile(each, 0.5)


def choices(run: Run) -> list[Choice]:
    """Every switch that chose, for each number of connections."""
    found: dict[tuple[Labels, str, int], dict[int, dict[str, float]]] = {}
    for sample in run.samples:
        given = dict(sample.labels)
        lab = tuple(label for label in sample.labels if label[0] not in _OWN)
        key = (lab, str(given["switch"]), int(given["connections"]))
        found.setdefault(key, {}).setdefault(sample.repetition, {})[str(given["way"])] = sample.value
    made = [Choice(*key, tuple(by[one] for one in sorted(by))) for key, by in found.items()]
    return sorted(made, key=lambda one: (words(one.lab), one.switch, one.connections))


def verdict(test: Test) -> str:
    """The test in words."""
    if not test.sound:
        return "too few connections to tell"
    return "further from equal than chance explains" if test.p < LEVEL else "as near to equal as chance comes"


def story(run: Run) -> Story:
    """The run in words and numbers."""
    made = choices(run)
    return Story(
        headline=tuple(_headline(made)),
        limits=tuple(limits.of_readings(run)),
        notes=(
            "So many connections at a time from one pod to one on another node, each from a source port of its own; "
            "which way they took is told by the bytes that each port of a switch has sent, since all send the same. "
            "A switch of Open vSwitch chooses by a hash of addresses, protocol and TCP's ports, so a connection keeps "
            "to its way. UDP is spread by addresses alone.",
            "The chi-square adds up how far each way's count is from an equal share; p is how often chance alone would "
            f"give counts at least as uneven. Below {LEVEL:g} it was hardly chance.",
        ),
        tables=(_table(made),),
    )


def _headline(made: Sequence[Choice]) -> Iterator[str]:
    by: dict[tuple[Labels, str], list[Choice]] = {}
    for one in made:
        by.setdefault((one.lab, one.switch), []).append(one)
    for (lab, switch), several in by.items():
        few, many = several[0], several[-1]
        where = f" ({words(lab)})" if lab else ""
        yield (
            f"{switch}{where} spreads {many.connections} connections over {len(many.ways)} ways so that the fullest "
            f"has ×{many.fullest:.2f} of an equal share: {verdict(many.test)}. With {few.connections} it has "
            f"×{few.fullest:.2f}."
        )


def _table(made: Sequence[Choice]) -> Table:
    rows = [
        (
            words(one.lab) or "-",
            one.switch,
            str(one.connections),
            str(len(one.counts)),
            ", ".join(f"{way} {sum(counts.get(way, 0) for counts in one.counts):.0f}" for way in one.ways),
            f"×{one.fullest:.2f}",
            numbers(one.test),
            verdict(one.test),
        )
        for one in made
    ]
    columns = ("lab", "switch", "connections", "times", "in all", "fullest way", "chi-square", "in words")
    return Table("How connections spread", columns, tuple(rows), "Fullest way: its count over an equal share, median.")
