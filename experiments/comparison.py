"""Results side by side: which differences are more than the spread of the readings. Pure.

Each figure that two runs share is tested with the Mann-Whitney U test (two-sided; exact where there are no ties and few
readings), which supposes no shape of the distribution. Of many tests some come out small by chance: the p-values of one
comparison are adjusted by the method of Benjamini and Hochberg, so that of the differences named one in twenty is false
at most, on average. (Holm's method, which lets none be false, could name nothing in a run of 50 figures and 5
repetitions.) The effect is Cliff's delta: how much more often a reading of the one run
exceeds one of the other than the reverse, from -1 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from scipy import stats

from experiments import wording
from experiments.results import Labels, Run
from experiments.summary import Figure, figures
from experiments.sweep import words
from k8sshim.errors import BadInput
from k8sshim.objects import Raw

LEVEL = 0.05
_OF_ROUTE = ("path", "locality", "floor")
TEST = "Mann-Whitney U test, two-sided, p-values adjusted by Benjamini and Hochberg's method"


@dataclass(frozen=True)
class Difference:
    """A figure that two runs have."""

    metric: str
    unit: str
    labels: Labels
    before: Figure
    after: Figure
    p: float  # adjusted
    effect: float  # Cliff's delta: 1 where every reading after is larger than every one before

    @property
    def exceeds(self) -> bool:
        """Whether it is more than the spread."""
        return self.p < LEVEL

    @property
    def change(self) -> float | None:
        """The medians' ratio, less one."""
        first = self.before.estimate.median
        return self.after.estimate.median / first - 1 if first else None

    @property
    def name(self) -> str:
        return named(self.before)

    def to_json(self) -> Raw:
        return {
            "metric": self.metric,
            "unit": self.unit,
            "labels": dict(self.labels),
            "before": asdict(self.before.estimate),
            "after": asdict(self.after.estimate),
            "change": self.change,
            "effect": self.effect,
            "p": self.p,
            "exceedsSpread": self.exceeds,
        }


@dataclass(frozen=True)
class Comparison:
    """A run beside the first one."""

    first: Run
    second: Run
    differences: tuple[Difference, ...]
    alone: tuple[str, ...]  # figures that only one of them has

    @property
    def exceeding(self) -> tuple[Difference, ...]:
        """The differences that are more than the spread, the largest effect first."""
        found = [one for one in self.differences if one.exceeds]
        return tuple(sorted(found, key=lambda one: -abs(one.change or 0)))

    @property
    def weak(self) -> bool:
        """Whether a single difference could not have come out: there are too few readings for so many tests."""
        return any(_least_p(one) * len(self.differences) >= LEVEL for one in self.differences)


def compare(first: Run, second: Run) -> Comparison:
    """What differs. Raises BadInput where the two share no figure."""
    before = {(one.metric, one.unit, _sorted(one.labels)): one for one in figures(first).all}
    after = {(one.metric, one.unit, _sorted(one.labels)): one for one in figures(second).all}
    shared = [key for key in before if key in after]
    if not shared:
        raise BadInput.of(f"runs {first.id} ({first.name}) and {second.id} ({second.name}) have no figure in common")
    adjusted = stats.false_discovery_control([_p(before[key], after[key]) for key in shared])
    made = tuple(_difference(before[key], after[key], float(p)) for key, p in zip(shared, adjusted, strict=True))
    lonely = [one for key, one in (*before.items(), *after.items()) if key not in shared]
    return Comparison(first, second, made, tuple(map(named, lonely)))


def named(one: Figure) -> str:
    """A figure's name: what, where, and its other labels."""
    rest = words(tuple(label for label in one.labels if label[0] not in _OF_ROUTE))
    where = wording.route(one.route) if "path" in dict(one.labels) else ""
    return ", ".join(part for part in (one.metric, where, rest) if part)


def lines(of: Comparison) -> Iterator[str]:
    """The comparison in sentences."""
    count, many = len(of.exceeding), len(of.differences)
    yield f"{count} of {many} differences exceed the spread ({TEST}, {LEVEL:g})."
    if of.weak:
        yield (
            f"With so few readings of each of {many} figures, differences show only where many figures differ: more "
            "repetitions tell more (podwire run --repeat)."
        )
    if of.alone:
        yield f"{len(of.alone)} figures are in one of the two runs alone, and are not compared."


def _difference(before: Figure, after: Figure, p: float) -> Difference:
    return Difference(before.metric, before.unit, before.labels, before, after, p, cliffs_delta(before, after))


def cliffs_delta(before: Figure, after: Figure) -> float:
    """How much more often readings after are larger than smaller."""
    signs = [(b > a) - (b < a) for _, a in before.values for _, b in after.values]
    return sum(signs) / len(signs)


def _p(before: Figure, after: Figure) -> float:
    a, b = ([value for _, value in one.values] for one in (before, after))
    if len(set(a) | set(b)) == 1:
        return 1.0
    return float(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)


def _least_p(one: Difference) -> float:
    """The smallest p that so many readings can give."""
    a, b = len(one.before.values), len(one.after.values)
    return float(stats.mannwhitneyu(range(a), range(a, a + b), alternative="two-sided").pvalue)


def _sorted(labels: Labels) -> Labels:
    return tuple(sorted(labels))
