"""What was asked beside what is, and whether they agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure as Canvas

from experiments import limits, strips, swept, trust, wording
from experiments.canvas import BLUE, ORANGE, Drawn, Plot
from experiments.results import Labels, Run
from experiments.self_check.asking import CHECKS, DELAY, OWN_DELAY, Asked
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
        if one.metric == OWN_DELAY:
            continue
        choice = swept.choice(one.labels, names)
        lab = labs.get(words(choice), run.environment["lab"])
        found.append(Checked(one, Asked(one.metric, *lab["asked"][one.metric]), swept.short(choice)))
    return sorted(found, key=lambda one: CHECKS.index(one.asked.check))


def own_delays(run: Run) -> list[tuple[str, Figure]]:
    """What a packet takes in the labs whose links ask for no delay, each by its lab: the machine's own."""
    names = swept.fields(run)
    return [(swept.short(swept.choice(one.labels, names)), one) for one in figures(run).of(OWN_DELAY)]


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
        tables=(_table(made, own_delays(run)),),
    )


def _wrong(run: Run) -> Iterator[str]:
    for one in checked(run):
        if not one.agrees:
            machine = " All cores were busy in most of its readings." if trust.busy(one.figure) else ""
            found, wanted = (
                wording.quantity(value, one.figure.unit) for value in (one.figure.estimate.median, one.asked.value)
            )
            yield f"{one.asked.check}, {one.lab}: {found} instead of {wanted}.{_own(run, one)}{machine}"


def _own(run: Run, one: Checked) -> str:
    """How much of a delay that is wrong comes from the machine, where labs without a delay tell it."""
    others = [figure for _, figure in own_delays(run) if _mode(figure) == _mode(one.figure)]
    if one.asked.check != DELAY or not others:
        return ""
    least = min(figure.estimate.median for figure in others)
    return f" Where the links ask for none, {wording.quantity(least, one.figure.unit)}: that much is the machine's own."


def _mode(figure: Figure) -> Labels:
    """What was swept but for what links are asked: labs that have it in common have the same way for a small packet."""
    return tuple(one for one in figure.swept if one[0] != "check" and not _asked_of_links(one[0]))


def _asked_of_links(field: str) -> bool:
    return field.startswith("links") and field != "links.kind"


_NOTES = (
    "Asked is what the cluster's description says; what is, is measured between two pods on two nodes: bandwidth by a "
    "TCP stream, delay as half of the median round trip, loss by requests and replies, overhead by capture, MTU as the "
    "largest packet that passes. A figure is as asked where its median lies within the bounds. Where links ask for no "
    "delay, what is measured is the machine's own; it is not judged.",
)


def _table(made: list[Checked], own: list[tuple[str, Figure]]) -> Table:
    rows = tuple(
        (
            one.asked.check,
            one.lab,
            wording.quantity(one.asked.value, one.figure.unit),
            _found(one.figure),
            f"{wording.digits(one.asked.low)} – {wording.digits(one.asked.high)}",
            one.asked.words,
            _verdict(one),
        )
        for one in made
    ) + tuple(
        (DELAY, lab, "none", _found(one), "–", "the machine's own", f"not judged{_busy(one)}") for lab, one in own
    )
    columns = ("check", "lab", "asked", "is", "may lie", "by", "")
    return Table("Asked and found", columns, rows, "▲ all cores were busy during most of its readings.")


def _found(figure: Figure) -> str:
    return f"{wording.quantity(figure.estimate.median, figure.unit)} ({wording.interval(figure.estimate, figure.unit)})"


def _verdict(one: Checked) -> str:
    return f"{'as asked' if one.agrees else 'NOT as asked'}{_busy(one.figure)}"


def _busy(figure: Figure) -> str:
    return " ▲" if trust.busy(figure) else ""


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
