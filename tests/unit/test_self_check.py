"""What a cluster asks of a way between two pods, within which bounds, and what is said where it is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_results import RUN

from experiments.results import Run, Sample, labels
from experiments.self_check import asking, figures
from experiments.self_check.asking import BANDWIDTH, DELAY, LOSS, MTU, OVERHEAD, OWN_DELAY, Asked
from topo import spec
from topo.link_spec import LinkSpec
from topo.plan import plan

pytestmark = pytest.mark.unit


def asked(*links: LinkSpec, requests: int = 1000, overhead: int = 50) -> dict[str, Asked]:
    return {one.check: one for one in asking.asked(links, 1450, 1450, overhead, requests)}


def test_a_bandwidth_is_that_of_frames_less_headers() -> None:
    one = asked(LinkSpec(bandwidth_mbit=100), LinkSpec(bandwidth_mbit=20))[BANDWIDTH]
    assert one.value == pytest.approx(20 * (1450 - 52) / (1450 + 50 + 14))
    assert (one.low, one.high) == (pytest.approx(0.97 * one.value), pytest.approx(1.03 * one.value))


@pytest.mark.parametrize(("delay", "room"), [(5.0, 1.0), (30.0, 3.0)])
def test_delays_add_up_and_are_right_within_a_millisecond_or_5_percent(delay: float, room: float) -> None:
    one = asked(LinkSpec(delay_ms=delay), LinkSpec(delay_ms=delay))[DELAY]
    assert (one.value, one.high - one.value) == (2 * delay, pytest.approx(room))


def test_loss_is_that_of_all_links_there_and_back_within_its_binomial_interval() -> None:
    one = asked(LinkSpec(loss_percent=1), LinkSpec(loss_percent=1))[LOSS]
    assert one.value == pytest.approx(100 * (1 - 0.99**4))
    assert one.low < one.value < one.high
    assert asked(LinkSpec(loss_percent=1), requests=100_000)[LOSS].high < one.high


def test_overhead_and_mtu_are_exact_and_what_is_not_asked_is_not_checked() -> None:
    found = asked(LinkSpec())
    assert (found[OVERHEAD].low, found[OVERHEAD].high, found[MTU].low, found[MTU].high) == (50, 50, 1450, 1450)
    assert set(found) == {OVERHEAD, MTU}


def test_the_links_of_the_way_are_asked_and_no_others() -> None:
    raw = {
        "apiVersion": "podwire.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "c"},
        "spec": {
            "nodes": [{"name": "a", "uplinks": ["x"]}, {"name": "b", "uplinks": ["y"]}],
            "fabric": {"shape": "graph", "switches": ["x", "y"], "links": [{"a": "x", "b": "y", "delayMs": 7}]},
            "links": {"delayMs": 1},
        },
    }
    planned = plan(spec.parse(raw))
    links = asking.path(planned, *(node.bridge.name for node in planned.nodes))
    assert [link.delay_ms for link in links] == [1, 7, 1]


def run_of(bandwidth: float, overhead: float) -> Run:
    found = {BANDWIDTH: ("Mbit/s", bandwidth), OVERHEAD: ("B", overhead)}
    samples = [
        Sample(check, unit, value, repetition, labels(path="pod-to-pod", check=check))
        for repetition in range(3)
        for check, (unit, value) in found.items()
    ]
    told: dict[str, list[Any]] = {BANDWIDTH: [100, 97, 103, "3 %"], OVERHEAD: [50, 50, 50, "exact"]}
    return replace(RUN, samples=tuple(samples), readings=(), environment={"lab": {"asked": told}})


def test_what_is_as_asked_passes_and_what_is_not_is_named() -> None:
    assert figures.failed(run_of(98, 50)) == ""
    assert figures.story(run_of(98, 50)).headline == ("2 of 2 figures are as asked.",)
    wrong = run_of(96, 54)
    assert figures.failed(wrong) == "2 of 2 figures are not as asked: bandwidth (-); overhead (-)"
    assert figures.failed(run_of(98, 54)) == "1 of 2 figures is not as asked: overhead (-)"
    assert "overhead, -: 54 B instead of 50 B." in figures.story(wrong).headline
    assert [drawn.name for drawn, _ in figures.plots(wrong)] == ["asked"]


def swept_run(delayed: float, own: dict[str, float]) -> Run:
    """A lab of 20 ms in the mode flat, and labs of no delay in others."""
    slow = {"links": "delayMs 20", "network.mode": "flat"}
    taken = [
        (DELAY, delayed, slow),
        *((OWN_DELAY, value, {"links": "x", "network.mode": mode}) for mode, value in own.items()),
    ]
    samples = [
        Sample(metric, "ms", value, repetition, labels(path="pod-to-pod", check=metric, **of))
        for repetition in range(3)
        for metric, value, of in taken
    ]
    scenario = {"spec": {"sweep": {"links": [], "network.mode": []}}}
    lab = {"asked": {DELAY: [20, 19, 21, "1 ms or 5 %"]}}
    return replace(RUN, scenario=scenario, samples=tuple(samples), readings=(), environment={"lab": lab})


def test_a_delay_that_is_wrong_is_told_with_what_the_machine_takes_by_itself() -> None:
    wrong = swept_run(21.5, {"flat": 1.4, "vxlan": 1.9})
    first, line = figures.story(wrong).headline
    assert first == "0 of 1 figures are as asked."
    assert line.startswith(
        "delay, delayMs 20, flat: 21.5 ms instead of 20 ms. Where the links ask for none, 1.4 ms: that"
    )
    assert figures.failed(wrong).startswith("1 of 1 figures is not as asked")
    (table,) = figures.story(wrong).tables
    assert [row[-1] for row in table.rows] == ["NOT as asked", "not judged", "not judged"]


def test_nothing_is_said_of_the_machine_where_no_lab_tells_it_or_the_delay_is_right() -> None:
    assert "machine" not in figures.story(swept_run(21.5, {"vxlan": 1.9})).headline[1]
    assert figures.story(swept_run(20.5, {"flat": 1.4})).headline == ("1 of 1 figures are as asked.",)


def test_the_machines_own_delay_is_measured_where_none_is_asked() -> None:
    assert asking.readings([MTU]) == (MTU, OWN_DELAY)
    assert asking.readings([DELAY, MTU]) == (DELAY, MTU)
