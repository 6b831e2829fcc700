"""What was asked beside what is, and whether they agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure as Canvas

from experiments import limits, strips, swept, trust, wording
from experiments.canvas import BLUE, ORANGE, Drawn, Plot
from experiments.results import Run
from experiments.self_check.asking import CHECKS, Asked
from experiments.story import Story, Table
from experiments.summary import Figure, figures
from experiments.sweep import words


@dataclass(frozen=True)
class Checked:
    """One figure of one lab."""

    figure: Figure
    asked: Asked
    lab: str

    @property
    def agrees(self) -> bool:
        """Whether the median lies where it may."""
        return self.asked.low <= self.figure.estimate.median <= self.asked.high


def checked(run: Run) -> list[Checked]:
    """Every figure, check by check."""
    names, labs = swept.fields(run), run.environment.get("labs", {})
    found = []
    for one in figures(run).all:
        choice = swept.choice(one.labels, names)
        lab = labs.get(words(choice), run.environment["lab"])
        found.append(Checked(one, Asked(one.metric, *lab["asked"][one.metric]), swept.short(choice)))
    return sorted(found, key=lambda one: CHECKS.index(one.asked.check))


def failed(run: Run) -> str:
    """What does not agree, in a line; "" where all does."""
    wrong = [one for one in checked(run) if not one.agrees]
    return (
        f"{len(wrong)} of {len(checked(run))} figures {'is' if len(wrong) == 1 else 'are'} not as asked: "
        + "; ".join(f"{one.asked.check} ({one.lab})" for one in wrong)
        if wrong
        else ""
    )


def story(run: Run) -> Story:
    """The run in words and numbers."""
    made = checked(run)
    agree = sum(one.agrees for one in made)
    return Story(
        headline=(f"{agree} of {len(made)} figures are as asked.", *_wrong(run)),
        limits=tuple(limits.of_readings(run)),
        notes=_NOTES,
        tables=(_table(made),),
    )


def _wrong(run: Run) -> Iterator[str]:
    for one in checked(run):
        if not one.agrees:
            machine = " All cores were busy in most of its readings." if trust.busy(one.figure) else ""
            found, wanted = (
                wording.quantity(value, one.figure.unit) for value in (one.figure.estimate.median, one.asked.value)
            )
            yield f"{one.asked.check}, {one.lab}: {found} instead of {wanted}.{machine}"


_NOTES = (
    "Asked is what the cluster's description says; what is, is measured between two pods on two nodes: bandwidth by a "
    "TCP stream, delay as half of the median round trip, loss by requests and replies, overhead by capture, MTU as the "
    "largest packet that passes. A figure is as asked where its median lies within the bounds.",
)


def _table(made: list[Checked]) -> Table:
    rows = tuple(
        (
            one.asked.check,
            one.lab,
            wording.quantity(one.asked.value, one.figure.unit),
            f"{wording.quantity(one.figure.estimate.median, one.figure.unit)}"
            f" ({wording.interval(one.figure.estimate, one.figure.unit)})",
            f"{wording.digits(one.asked.low)} – {wording.digits(one.asked.high)}",
            one.asked.words,
            _verdict(one),
        )
        for one in made
    )
    columns = ("check", "lab", "asked", "is", "may lie", "by", "")
    return Table("Asked and found", columns, rows, "▲ all cores were busy during most of its readings.")


def _verdict(one: Checked) -> str:
    limit = " ▲" if trust.busy(one.figure) else ""
    return f"{'as asked' if one.agrees else 'NOT as asked'}{limit}"


def plots(run: Run) -> list[Plot]:
    """Every figure over what was asked, and where it may lie."""
    says = "Each dot a reading, mark: their median. Dashed: what was asked. Green: where medians may lie."
    return [(Drawn("asked", "What is, beside what was asked", says), partial(_draw, checked(run)))]


def _draw(made: list[Checked]) -> Canvas:
    rows = [_row(one) for one in made if one.asked.value]
    panel = strips.Panel("what is, over what was asked", "%", tuple(rows), 100.0)
    return strips.draw([panel], "each dot a reading; dashed: what was asked; green: where the median may lie")


def _row(one: Checked) -> strips.Row:
    scale = 100 / one.asked.value
    found, wanted = (
        wording.quantity(value, one.figure.unit) for value in (one.figure.estimate.median, one.asked.value)
    )
    return strips.Row(
        f"{one.asked.check}: {one.lab}",
        tuple(value * scale for _, value in one.figure.values),
        f"{found}, asked {wanted}",
        BLUE if one.agrees else ORANGE,
        (one.asked.low * scale, one.asked.high * scale),
    )
