"""Readings taken together: figures, ratios to floors of the same repetition, and the machine's part in words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib import pyplot as plt

from experiments import report, strips, throughput_page, wording
from experiments.measurements import Route
from experiments.report import failure_lines, repeat
from experiments.results import Failure, Labels, Machine, Reading, Run, Sample, labels
from experiments.statistics import estimate
from experiments.summary import figures

pytestmark = pytest.mark.unit

ACROSS, FLOOR = Route("pod-to-pod", "cross-node"), Route("floor", floor="ovs-normal")
TCP = labels(protocol="TCP", streams=1)
PATH = labels(path="pod-to-pod", locality="cross-node") + TCP
BASE = labels(path="floor", floor="ovs-normal") + TCP


def run(*series: tuple[Labels, list[float]], busy: float = 0.5, late_ms: float = 1.0) -> Run:
    taken = [(index, of, value) for of, values in series for index, value in enumerate(values)]
    machine = Machine(busy, 0.1, 1.0, late_ms)
    spec = {
        "experiment": "throughput",
        "repetitions": max(len(values) for _, values in series),
        "secondsPerReading": {"tcp": 1.0, "udp": 1.0, "latency": 1.0},
        "quick": {"repetitions": 5, "secondsPerReading": {"tcp": 0.2, "udp": 0.2, "latency": 0.2}},
    }
    return Run(
        id="0",
        started="",
        finished="",
        scenario={"metadata": {"name": "small"}, "spec": spec},
        inputs=(),
        seed=4,
        samples=tuple(Sample("throughput", "Mbit/s", value, index, of) for index, of, value in taken),
        readings=tuple(Reading(0, "throughput", index, of, 0, 1, 1, (), machine) for index, of, _ in taken),
        failures=(),
        environment={},
    )


def test_a_ratio_is_taken_within_each_repetition() -> None:
    """The machine was ten times slower in the second repetition: the ratio does not notice."""
    made = figures(run((PATH, [800.0, 80.0, 880.0]), (BASE, [1000.0, 100.0, 1000.0])))
    figure = made.one("throughput", ACROSS, protocol="TCP", streams=1)
    assert figure is not None
    assert figure.estimate.median == 800.0
    ratio = made.ratio(figure, FLOOR)
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == (0.8, 0.8, 0.88)


def test_a_floor_that_was_not_measured_has_no_ratio() -> None:
    made = figures(run((PATH, [800.0])))
    assert made.ratio(made.all[0], FLOOR) is None


def test_paths_stand_before_floors() -> None:
    near = labels(path="pod-to-pod", locality="same-node") + TCP
    made = figures(run((BASE, [1.0]), (PATH, [1.0]), (near, [1.0])))
    assert [wording.route(one.route) for one in made.all] == [
        "pod to pod, same node",
        "pod to pod, across nodes",
        "floor: Open vSwitch, actions=normal",
    ]


def test_the_machine_s_limit_is_told() -> None:
    full = list(wording.limits(figures(run((PATH, [1.0, 2.0]), busy=0.99))))
    assert full[0].startswith("All cores were busy during most readings of every throughput figure")
    late = list(wording.limits(figures(run((PATH, [1.0, 2.0]), late_ms=50.0))))
    assert late[0].startswith("The experiment's own clock woke up more than 20 ms late during most readings of 1 of 1")
    free = list(wording.limits(figures(run((PATH, [1.0, 2.0])))))
    assert free == ["No figure was taken at the machine's limit: in most readings some processor time was left."]


def test_headline_in_words() -> None:
    made = figures(run((PATH, [8000.0, 8100.0, 7900.0]), (BASE, [10000.0, 10000.0, 10000.0])))
    assert list(wording.headline(made)) == [
        "Pod to pod across nodes, one TCP stream: 8 Gbit/s at the median, 0.80 (0.79 – 0.81) of what the same switch "
        "moves with actions=normal."
    ]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (9610.2, "Mbit/s", "9.61 Gbit/s"),
        (199.9, "Mbit/s", "200 Mbit/s"),
        (41.25, "us", "41.2 µs"),
        (4081.0, "us", "4.08 ms"),
        (0.0, "%", "0 %"),
        (123456.0, "Mbit/s", "123 Gbit/s"),
    ],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert wording.quantity(value, unit) == text


def test_intervals() -> None:
    assert wording.interval(estimate([9000.0, 9500.0, 9900.0]), "Mbit/s") == "9 – 9.9 Gbit/s"
    assert wording.interval(estimate([900.0, 9500.0]), "Mbit/s") == "900 Mbit/s – 9.5 Gbit/s"
    assert wording.interval(estimate([900.0]), "Mbit/s") == "–"


@pytest.mark.parametrize(("n", "text"), [(1, "single reading"), (5, "94 %"), (9, "at least 95 %")])
def test_the_spread_is_named(n: int, text: str) -> None:
    assert text in wording.spread(run((PATH, [1.0] * n)))


def test_failures_of_one_measurement_are_one_line() -> None:
    one = run((PATH, [1.0]))
    failed = [Failure("throughput", 1, PATH, attempt, "iperf3: no") for attempt in (1, 2)]
    lines = list(failure_lines(Run(**{**vars(one), "failures": tuple(failed)})))
    assert lines == [
        "pod to pod, across nodes, throughput TCP ×1: 2 attempts failed, 1 reading was taken; "
        "the last failure: iperf3: no"
    ]


def test_the_command_that_repeats_it() -> None:
    assert repeat(run((PATH, [1.0, 2.0]))) == "podwire run small --repeat 2 --seed 4"


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        ((1000, 1100, 1200), "us", "1 – 1.2"),
        ((900, 1100, 1200), "us", "900 µs – 1.2 ms"),
        ((900, 950, 1200), "Mbit/s", "900 Mbit/s – 1.2 Gbit/s"),
        ((1, 2, 3), "packets/s", "1 – 3"),
        ((2,), "B", "–"),
    ],
)
def test_an_interval_beside_its_median_names_its_unit_only_where_it_is_another(
    values: tuple[float, ...], unit: str, words: str
) -> None:
    assert wording.beside(estimate(values), unit) == words


def test_cells_of_a_report_break_between_words_and_not_within_quantities_or_intervals() -> None:
    assert report.parts("18226 packets/s (13623 – 24649) ▲") == [
        ("18226\N{NO-BREAK SPACE}packets/s ", False),
        ("(13623\N{NO-BREAK SPACE}– 24649)\N{NO-BREAK SPACE}▲", True),
        ("", False),
    ]
    assert report.parts("as near as p = 0.5") == [("as near as p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.5", False)]


def test_ratios_are_told_to_floors_that_were_measured_and_to_no_other() -> None:
    assert throughput_page.page(run((PATH, [1.0]), (BASE, [2.0])))["floors"] == ["Open vSwitch, actions=normal"]
    assert throughput_page.page(run((BASE, [2.0])))["floors"] == []


@pytest.mark.parametrize("lowest", [4.0, 40.0, 700.0, 24000.0])
def test_long_quantities_have_fewer_ticks_on_their_axis(lowest: float) -> None:
    drawn = strips.draw([strips.Panel("p", "packets/s", (strips.Row("r", (lowest, 24649.0)),)) for _ in range(2)])
    drawn.canvas.draw()
    for ax in drawn.axes:
        seen = [
            label for label in ax.get_xticklabels() if ax.get_xlim()[0] <= label.get_position()[0] <= ax.get_xlim()[1]
        ]
        boxes = [label.get_window_extent() for label in seen]
        assert len(boxes) > 1
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    plt.close(drawn)
