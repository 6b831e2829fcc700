"""The forecast of a run: it trusts the plan at first and the run's own pace later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.measuring import Forecast, clock, left_s, lines
from experiments import catalogue
from experiments.measurements import WARM_UP_S, expected, measurements, reading_s, schedule
from experiments.planning import START_S
from experiments.policy_scaling import parameters, planning
from experiments.scenario import run_as
from experiments.throughput import of
from lab.lifecycle import Step

pytestmark = pytest.mark.unit


def test_the_plan_is_trusted_before_anything_is_known() -> None:
    assert left_s(0, 100, 30) == 100


def test_half_way_at_twice_the_time_half_of_the_correction_counts() -> None:
    assert left_s(50, 100, 100) == pytest.approx(50 * (0.5 * 2 + 0.5))


@given(st.floats(0, 100), st.floats(0, 1000))
def test_nothing_is_left_at_the_end_and_never_less_than_nothing(worked: float, elapsed: float) -> None:
    assert left_s(100, 100, elapsed) == 0
    assert left_s(worked, 100, elapsed) >= 0


def test_a_run_works_its_forecast_off_in_order() -> None:
    scenario = catalogue.prepare(catalogue.find("quickstart")).scenario
    told: list[float] = []
    traffic = of(scenario.parameters)
    forecast = Forecast(lambda worked, _: told.append(worked))
    forecast.doing("lab comes up", START_S)
    forecast.coming_up(Step("pods", 1, 9))
    for measurement in measurements(traffic):
        forecast.doing(str(measurement), WARM_UP_S)
    for _, measurement in schedule(traffic, scenario.pace.repetitions, scenario.seed):
        forecast.doing(str(measurement), reading_s(measurement, scenario.pace))
    forecast.going_down()
    assert told == sorted(told)
    assert told[0] == 0
    assert 0 < expected(scenario).seconds - told[-1] < 10


def test_clock() -> None:
    assert [clock(value) for value in (0, 9.9, 60, 125)] == ["0:00", "0:09", "1:00", "2:05"]


def test_lines_of_a_run_that_takes_longer_than_planned_never_say_that_all_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = lines(100.0)
    for worked in (0.0, 60.0, 134.0):
        tell(worked, "reading")
    assert [line.split("%")[0].strip() for line in capsys.readouterr().err.splitlines()] == ["60", "99"]


def test_readings_of_policy_scale_are_told_as_long_as_they_are_planned() -> None:
    scenario = run_as(catalogue.prepare(catalogue.find("policy-scale")).scenario, quick=True)
    given, pace = parameters.of(scenario.parameters), scenario.pace
    limited = [
        (planning.of_metric_s(metric, "podwire", 1, given, pace), planning.reading_s(metric, "podwire", 1, given, pace))
        for metric in planning.LIMITED
    ]
    assert all(one <= every <= pace.repetitions * one for every, one in limited)
    assert any(every < pace.repetitions * one for every, one in limited)
