"""What the answers say of each way of balancing: shares against the ideal, and who moved. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from experiments import limits
from experiments.balancing import parameters
from experiments.balancing.parameters import BY_ADDRESS, CONSISTENT, ROUND_ROBIN, WEIGHTED
from experiments.balancing.planning import BEFORE, PHASES, Source
from experiments.results import Labels, Run
from experiments.statistics import estimate
from experiments.story import Story, Table

LEVEL = 0.01  # a p-value below this is taken for more than chance
FEWEST = 5.0  # expected of each endpoint, below which the chi-square's distribution is not that of the tables


@dataclass(frozen=True)
class Test:
    """Counts against what was expected of them."""

    statistic: float
    freedom: int
    p: float  # how often chance alone gives counts at least so uneven
    smallest: float  # count expected of an endpoint

    @property
    def sound(self) -> bool:
        return self.smallest >= FEWEST


@dataclass(frozen=True)
class Moved:
    """Sources that are answered by another endpoint than before, as shares of all."""

    share: float
    needless: float  # those whose endpoint had not left


@dataclass(frozen=True)
class Shares:
    """Who answered in one phase of one mode: counts by repetition and endpoint."""

    mode: str
    phase: str
    counts: tuple[Mapping[str, int], ...]  # of what is independent: connections, or addresses
    left: tuple[str, ...]  # the endpoint that had left, by repetition
    weights: Mapping[str, int]

    @property
    def unit(self) -> str:
        return "addresses" if self.mode in BY_ADDRESS else "connections"

    def ideal(self, repetition: int) -> dict[str, float]:
        """The share that each endpoint ought to have."""
        there = [name for name in self.weights if name != self.left[repetition]]
        weight = {name: self.weights[name] if self.mode == WEIGHTED else 1 for name in there}
        return {name: weight[name] / sum(weight.values()) for name in there}

    def share(self, repetition: int) -> dict[str, float]:
        counts = self.counts[repetition]
        return {name: count / max(1, sum(counts.values())) for name, count in counts.items()}

    @property
    def test(self) -> Test:
        """All repetitions together, where they are independent: the same addresses are chosen for alike each time."""
        once = [(self.counts[at], self.ideal(at)) for at in range(len(self.counts))]
        return chi_square(once[:1] if self.mode in BY_ADDRESS else once)


def observed(names: Iterable[str], endpoints: Sequence[str]) -> dict[str, int]:
    """How often each endpoint answered; who is none of them is counted too."""
    counted = Counter(names)
    return {name: counted.get(name, 0) for name in dict.fromkeys((*endpoints, *sorted(counted)))}


def by_source(names: Mapping[Source, str], mode: str) -> dict[Hashable, str]:
    """Who answers each source that the mode chooses for: an address (by its first connection), or a connection."""
    if mode not in BY_ADDRESS:
        return dict(names.items())
    found: dict[Hashable, str] = {}
    for source, name in names.items():
        found.setdefault(source.client, name)
    return found


def moved(before: Mapping[Hashable, str], after: Mapping[Hashable, str], gone: str) -> Moved:
    """Who is answered by another endpoint, of the sources that were answered both times."""
    both = [(before[source], after[source]) for source in before if source in after]
    if not both:
        return Moved(0.0, 0.0)
    changed = [old for old, new in both if old != new]
    return Moved(len(changed) / len(both), sum(old != gone for old in changed) / len(both))


def chi_square(repetitions: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]) -> Test:
    """Pearson's test of counts against shares, over independent repetitions: their statistics and freedoms add up.

    An answer by who ought not to answer at all makes the statistic infinite.
    """
    statistic, freedom, smallest = 0.0, 0, float("inf")
    for counts, shares in repetitions:
        total = sum(counts.values())
        for name, share in shares.items():
            wanted = share * total
            statistic += (counts.get(name, 0) - wanted) ** 2 / wanted if wanted else 0.0
            smallest = min(smallest, wanted)
        freedom += len(shares) - 1
        if any(count and name not in shares for name, count in counts.items()):
            statistic = float("inf")
    return Test(statistic, freedom, float(stats.chi2.sf(statistic, freedom)) if freedom else 1.0, smallest)


def weights_of(run: Run) -> dict[str, int]:
    """The endpoints and their weights."""
    return {name: int(weight) for name, weight in run.environment["lab"]["weights"].items()}


def shares(run: Run) -> Iterator[Shares]:
    """Every mode's shares, before and after."""
    weights = weights_of(run)
    for mode in modes(run):
        for phase in PHASES:
            metric = "sources" if mode in BY_ADDRESS else "answers"
            by_repetition: dict[int, dict[str, int]] = {}
            left: dict[int, str] = {}
            for sample in run.samples:
                given = dict(sample.labels)
                if (sample.metric, given.get("mode"), given.get("phase")) == (metric, mode, phase):
                    by_repetition.setdefault(sample.repetition, {})[str(given["endpoint"])] = int(sample.value)
                    left[sample.repetition] = str(given.get("left", ""))
            order = sorted(by_repetition)
            if order:
                counts = tuple(by_repetition[one] for one in order)
                yield Shares(mode, phase, counts, tuple(left[one] for one in order), weights)


def modes(run: Run) -> list[str]:
    """The modes that were asked, in the scenario's order."""
    return list(run.scenario["spec"]["parameters"]["services"])


def values(run: Run, metric: str, mode: str, phase: str | None = None) -> list[float]:
    """A metric's readings of one mode."""

    def fits(labels: Labels) -> bool:
        given = dict(labels)
        return given.get("mode") == mode and phase in (None, given.get("phase"))

    return [one.value for one in run.samples if one.metric == metric and fits(one.labels)]


def verdict(of: Shares) -> str:
    """The test in words."""
    test = of.test
    if not test.sound:
        return f"too few {of.unit} to tell"
    if test.p < LEVEL:
        return "further from the ideal than chance explains"
    if test.p > 1 - LEVEL:
        return "nearer to the ideal than chance would come"
    return "as near to the ideal as chance comes"


def numbers(test: Test) -> str:
    """The test in numbers."""
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    return f"χ² = {test.statistic:.3g}, {test.freedom} degrees of freedom, {p}"


def story(run: Run) -> Story:
    """The run in words and numbers."""
    made = list(shares(run))
    return Story(
        headline=tuple(_headline(run, made)),
        limits=tuple(limits.of_readings(run)),
        notes=tuple(_notes(run)),
        tables=(_shares_table(made), _moved_table(run)),
    )


def _headline(run: Run, made: Sequence[Shares]) -> Iterator[str]:
    before = [one for one in made if one.phase == BEFORE]
    for words in dict.fromkeys(map(verdict, before)):
        of = [one.mode for one in before if verdict(one) == words]
        yield f"Shares {words}: {', '.join(of)}."
    n = len(weights_of(run))
    if values(run, "moved", CONSISTENT):
        share, needless = (estimate(values(run, metric, CONSISTENT)).median for metric in ("moved", "moved-needlessly"))
        yield (
            f"consistent: when one of {n} endpoints leaves, {_percent(share)} of the sources are answered by another "
            f"(ideal: 1/{n}, {_percent(1 / n)}); {_percent(needless)} of all needlessly."
        )
    others = [one for one in modes(run) if one not in (CONSISTENT, ROUND_ROBIN) and values(run, "moved", one)]
    if others:
        each = ", ".join(f"{one} {_percent(estimate(values(run, 'moved', one)).median)}" for one in others)
        yield f"When one of {n} endpoints leaves, so many sources move: {each}."
    lost = int(sum(one.value for one in run.samples if one.metric == "unanswered"))
    asked = int(sum(one.value for one in run.samples if one.metric == "answers")) + lost
    yield f"{asked - lost} of {asked} connections were answered."


def _notes(run: Run) -> Iterator[str]:
    given = parameters.of(parameters_of(run))
    clients = run.environment["lab"]["clients"]
    yield (
        f"{given.connections} connections a reading come from {clients} pods, each from a source port of its own; who "
        "answered says so by name. After it, one endpoint loses the label that the Services pick by, and the same "
        "sources ask again; each endpoint leaves in its turn."
    )
    yield (
        "The chi-square adds up how far each endpoint's count is from its ideal; p is how often chance alone would "
        f"give counts at least as uneven. Below {LEVEL:g} it was hardly chance; above {1 - LEVEL:g} the counts are "
        "evener than independent choices can be, as those of round robin are."
    )
    by_address = [mode for mode in modes(run) if mode in BY_ADDRESS]
    if by_address:
        yield (
            f"{' and '.join(by_address)}: all connections of an address go to one endpoint, so they are no independent "
            f"choices, and neither are repetitions: the test is over the {clients} addresses, each counted once. With "
            "so few the shares are coarse, as they are for any Service with few clients."
        )
    yield (
        "Moved: sources that another endpoint answers after one has left. Those whose endpoint left must move; whoever "
        "else moves does so needlessly, and loses what that endpoint knew of it. For round robin, which keeps nothing "
        "about sources, moving means nothing."
    )


def parameters_of(run: Run) -> parameters.Balancing:
    """The parameters as run."""
    raw = run.scenario["spec"]["parameters"]
    return parameters.Balancing(raw["namespace"], raw["clients"], (), raw["port"], raw["connections"])


def _shares_table(made: Sequence[Shares]) -> Table:
    rows = []
    for one in made:
        least, most = _extremes(one)
        rows.append(
            (one.mode, one.phase, str(sum(sum(counts.values()) for counts in one.counts)), one.unit, least, most,
             numbers(one.test), verdict(one))
        )  # fmt: skip
    columns = ("mode", "phase", "counted", "of", "least", "most", "chi-square", "in words")
    return Table(
        "Shares of the endpoints", columns, tuple(rows), "least, most: an endpoint's share over its ideal one."
    )


def _extremes(one: Shares) -> tuple[str, str]:
    """The smallest and the largest ratio of an endpoint's share to its ideal, over all repetitions."""
    ratios = [
        one.share(at).get(name, 0.0) / ideal for at in range(len(one.counts)) for name, ideal in one.ideal(at).items()
    ]
    return f"×{min(ratios):.2f}", f"×{max(ratios):.2f}"


def _moved_table(run: Run) -> Table:
    rows = []
    for mode in modes(run):
        cells = [mode]
        for metric in ("moved", "moved-needlessly"):
            known = values(run, metric, mode) if mode != ROUND_ROBIN else []
            cells.append(f"{_percent(min(known))} – {_percent(max(known))}" if known else "–")
        rates = values(run, "connections", mode)
        cells.append(f"{estimate(rates).median:.0f}" if rates else "–")
        rows.append(tuple(cells))
    columns = ("mode", "moved", "moved needlessly", "connections a second")
    return Table("When an endpoint leaves", columns, tuple(rows), "Each range is over all repetitions.")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
