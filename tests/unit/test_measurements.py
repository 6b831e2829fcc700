"""The order of readings: every measurement once a repetition, floors among them, as the seed has it."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import catalogue
from experiments.measurements import Route, expected, measurements, routes, schedule
from experiments.scenario import Scenario, run_as
from experiments.throughput import of

pytestmark = pytest.mark.unit


def quickstart() -> Scenario:
    return catalogue.prepare(catalogue.find("quickstart")).scenario


TRAFFIC = of(quickstart().parameters)


def test_the_issue_s_paths_and_floors_are_measured() -> None:
    wanted = [
        Route(path, locality)
        for path in ("pod-to-pod", "pod-to-service", "node-to-pod")
        for locality in ("same-node", "cross-node")
    ]
    floors = [Route("floor", floor=floor) for floor in ("veth", "linux-bridge", "ovs-normal")]
    assert list(routes(TRAFFIC)) == wanted + floors


def test_each_route_has_tcp_udp_one_and_four_streams_and_latency() -> None:
    kinds = {(one.metric, one.protocol, one.streams) for one in measurements(TRAFFIC) if one.route.floor == "veth"}
    throughput = {("throughput", protocol, streams) for protocol in ("TCP", "UDP") for streams in (1, 4)}
    assert kinds == throughput | {("latency", "UDP", None)}


def test_labels_are_those_of_the_contract() -> None:
    across = next(one for one in measurements(TRAFFIC) if one.route.locality == "cross-node")
    assert dict(across.labels) == {"path": "pod-to-pod", "locality": "cross-node", "protocol": "TCP", "streams": 1}
    floor = next(one for one in measurements(TRAFFIC) if one.route.floor == "ovs-normal" and one.streams is None)
    assert dict(floor.labels) == {"path": "floor", "floor": "ovs-normal", "protocol": "UDP"}


@given(st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_a_repetition_has_everything_once(repetitions: int, seed: int) -> None:
    planned = schedule(TRAFFIC, repetitions, seed)
    by_repetition = [[one for _, one in some] for _, some in groupby(planned, key=lambda reading: reading[0])]
    assert len(by_repetition) == repetitions
    assert all(set(some) == set(measurements(TRAFFIC)) and len(some) == len(set(some)) for some in by_repetition)
    assert planned == schedule(TRAFFIC, repetitions, seed)


def test_repetitions_and_seeds_have_orders_of_their_own() -> None:
    planned = schedule(TRAFFIC, 2, 1)
    half = len(planned) // 2
    assert [one for _, one in planned[:half]] != [one for _, one in planned[half:]]
    assert planned != schedule(TRAFFIC, 2, 2)


def test_the_expected_time_grows_with_the_readings() -> None:
    scenario = quickstart()
    once, twice = (expected(run_as(scenario, repetitions=count)).seconds for count in (1, 2))
    assert twice - once == pytest.approx(expected(run_as(scenario, repetitions=3)).seconds - twice)
    assert expected(run_as(scenario, quick=True)).seconds < expected(scenario).seconds
