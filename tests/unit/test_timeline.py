"""Steps in time as a scenario has them, and what became of traffic between them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_results import RUN

from experiments import canvas, report
from experiments.parse import ToolFailed
from experiments.planning import shuffled
from experiments.results import Run, Sample, labels
from experiments.timeline import doing, figures, parameters, plots, seeing, served
from experiments.timeline.seeing import Interval, Probe, Span
from experiments.timeline.watching import Traffic
from k8sshim.errors import BadInput
from k8sshim.objects import Key, Service
from lab.faults.injecting import Injected, Injector
from lab.faults.kinds import Fault
from lab.state import Lab
from topo.fields import Fields, Problems

pytestmark = pytest.mark.unit

SPAN = Span("link-down a:b", 10.0, 12.0)


def parse(**cases: Any) -> tuple[parameters.Timeline, list[str]]:
    problems = Problems("", "")
    raw = {"client": "c", "server": "s", "cases": cases}
    return parameters.parse(Fields(raw, "p", problems)), [str(one) for one in problems.found]


def test_steps_are_parsed_and_written_down() -> None:
    steps = [
        {"at": 2, "fault": "link-loss", "targets": ["a:b"], "percent": 5, "for": 1},
        {"at": 1, "newcomer": "new"},
    ]
    parsed, wrong = parse(one={"steps": steps, "server": "far"})
    assert not wrong
    (case,) = parsed.cases
    assert [step.name for step in case.steps] == ["new pod new", "link-loss 5 % a:b"]
    assert case.seconds == 3 + parameters.TAIL_S
    again = parameters.parse(Fields(parsed.to_raw(), "p", Problems("", "")))
    assert again == parsed


def test_a_component_that_is_killed_for_a_while_is_stopped() -> None:
    parsed, _ = parse(one={"steps": [{"at": 1, "fault": "component-kill", "targets": ["agent"], "for": 1}]})
    assert str(parsed.cases[0].steps[0].fault) == "component-stop agent"


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ({}, "p.cases.one.steps: is required: what happens, and when"),
        ({"steps": [{"at": 1}]}, "p.cases.one.steps[0].fault: or newcomer is required, and not both"),
        (
            {"steps": [{"at": 1, "fault": "magic"}]},
            "p.cases.one.steps[0].fault: 'magic' is no fault; there are link-down",
        ),
        (
            {"steps": [{"at": 1, "fault": "link-down", "targets": ["a"]}]},
            "p.cases.one.steps[0].targets: 'a' is no link: a link is A:B",
        ),
        (
            {"steps": [{"at": 1, "fault": "link-loss", "targets": ["a:b"], "percent": 101}]},
            "p.cases.one.steps[0].percent: must be more than 0 and at most 100, not 101",
        ),
        (
            {"steps": [{"at": 1, "fault": "pod-kill", "targets": ["a"], "for": 1}]},
            "p.cases.one.steps[0].for: pod-kill has nothing to undo afterwards",
        ),
        ({"steps": [{"at": 1, "newcomer": "n", "colour": 1}]}, "p.cases.one.steps[0].colour: unknown field"),
        ({"steps": [{"at": 3, "newcomer": "n"}], "seconds": 2}, "p.cases.one.seconds: is over before the last step"),
    ],
)
def test_steps_that_are_none(case: Any, line: str) -> None:
    _, wrong = parse(one=case)
    assert len(wrong) == 1, wrong
    assert wrong[0].startswith(line)


def test_cases_are_required() -> None:
    assert parse()[1] == ["p.cases: is required: cases by name, each with its steps"]


def test_every_case_comes_once_a_repetition() -> None:
    cases = parse(**{name: {"steps": [{"at": 1, "newcomer": "n"}]} for name in "abc"})[0].cases
    planned = shuffled(cases, 4, 1)
    assert sorted((r, case.name) for r, case in planned) == [(r, name) for r in range(4) for name in "abc"]
    assert planned == shuffled(cases, 4, 1) != shuffled(cases, 4, 2)


POD_IPS = {Key("default", "s"): "10.0.0.1", Key("default", "far"): "10.0.0.2"}
STEPS = [{"at": 1, "newcomer": "n"}]


def unserved(given: parameters.Timeline, silent: set[tuple[str, str]]) -> list[str]:
    """The lines of a check in a world where these watchers hear nothing from these addresses."""
    problems = Problems("f.yaml", "Scenario x")
    targets = served.targets(given, POD_IPS, "10.9.0.1")
    try:
        served.check(targets, lambda one: (one.watch, one.address) not in silent, given.client, problems, 0.0)
    except BadInput as error:
        return str(error).splitlines()
    return []


def test_what_nobody_serves_is_named_with_the_field_that_names_it() -> None:
    given = replace(parse(one={"steps": STEPS, "server": "far"})[0], service=Key("default", "web"))
    assert unserved(given, set()) == []
    where, asked = "f.yaml: Scenario x: spec.parameters", "asked for 0 s"
    assert unserved(given, {("connections", "10.9.0.1"), ("tcp", "10.0.0.2")}) == [
        f"{where}.cases.one.server: nobody answers Pod default/c at TCP port 5201 (iperf3) of Pod default/far, {asked}",
        f"{where}.service: nobody answers Pod default/c at TCP port 80 of Service default/web, {asked}",
    ]


def test_what_is_not_watched_need_not_be_served() -> None:
    given = replace(parse(one={"steps": STEPS, "server": "far"})[0], watch=("connections",))
    assert [(one.watch, one.address) for one in served.targets(given, POD_IPS, "")] == [
        ("connections", "10.0.0.2"),
        ("connections", "10.0.0.1"),
    ]
    (line,) = unserved(given, {("udp", "10.0.0.1"), ("connections", "10.0.0.1")})
    assert line.startswith("f.yaml: Scenario x: spec.parameters.port: nobody answers Pod default/c at TCP port 80 of")


def test_servers_that_are_starting_are_waited_for() -> None:
    asked: list[str] = []

    def at_the_third(one: served.Target) -> bool:
        asked.append(one.watch)
        return len(asked) > 2

    targets = [served.Target("udp", "10.0.0.1", "server", "")]
    served.check(targets, at_the_third, Key("default", "c"), Problems("", ""), 60.0)
    assert asked == ["udp"] * 3


def test_a_service_without_the_port_is_not_waited_for() -> None:
    ports = [{"port": 80}, {"port": 53, "protocol": "UDP"}]
    raw = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"clusterIP": "10.9.0.1", "ports": ports}}
    served.check_port(Service.parse(raw), 80, Problems("", ""))
    with pytest.raises(BadInput) as told:
        served.check_port(Service.parse(raw), 53, Problems("f.yaml", "Scenario x"))
    line = "f.yaml: Scenario x: spec.parameters.port: Service default/web has no TCP port 53, it has 80"
    assert str(told.value) == line


def each_ms(begins: float, ends: float, lost: tuple[float, float] | None = None) -> list[Probe]:
    times = [begins + number / 1000 for number in range(round((ends - begins) * 1000))]
    return [Probe(t, None if lost and lost[0] <= t < lost[1] else t + 0.0001) for t in times]


def test_an_outage_is_as_long_as_nothing_is_answered() -> None:
    became = seeing.of(each_ms(9, 12, lost=(10.2, 10.25)), SPAN)
    assert became.outage_s == pytest.approx(0.051, abs=0.0011)
    assert became.lost == 50
    assert became.recovery_s == pytest.approx(0.249, abs=0.0011)
    assert became.reordered == 0


def test_a_sender_that_was_late_is_no_outage() -> None:
    became = seeing.of([*each_ms(9, 10.5), *each_ms(11.5, 12)], SPAN)
    assert (became.outage_s, became.lost, became.recovery_s) == (0.0, 0, 0.0)


def test_an_outage_that_does_not_end_lasts_to_the_span_s_end() -> None:
    assert seeing.of(each_ms(9, 12, lost=(11, 13)), SPAN).outage_s == pytest.approx(1.0, abs=0.0021)


def test_replies_that_overtake_are_counted() -> None:
    probes = [Probe(10.1, 10.9), Probe(10.2, 10.3), Probe(10.3, 10.95), Probe(10.4, 10.91)]
    assert seeing.of(probes, SPAN).reordered == 2


def test_irtt_s_report_becomes_probes() -> None:
    def trip(lost: str, **client: Any) -> dict[str, Any]:
        return {"lost": lost, "timestamps": {"client": client}}

    trips = [
        trip("false", send={"wall": 5_000_000_000}, receive={"wall": 5_001_000_000}),
        trip("true", send={"wall": 6_000_000_000}),
    ]
    assert seeing.probes(json.dumps({"round_trips": trips}), 100.0) == [Probe(105.0, 105.001), Probe(106.0, None)]


def test_a_stream_that_stands_still() -> None:
    found = [Interval(10 + n / 10, 10.1 + n / 10, 0 if 3 <= n < 6 else 1000) for n in range(20)]
    assert seeing.still_s(found, SPAN) == pytest.approx(0.3)
    assert seeing.still_s(found, Span("later", 11.0, 12.0)) == 0.0
    assert seeing.rates(found, 10.0, 0.4) == [0.08, 0.08, 0.08, 0.0]


def test_a_stream_that_broke_off_moves_nothing_to_the_end() -> None:
    found = [Interval(10 + n / 10, 10.1 + n / 10, 1000) for n in range(6)]
    whole = seeing.to_the_end(found, 12.0)
    assert seeing.still_s(whole, Span("kill", 10.0, 11.0)) == pytest.approx(0.4)
    assert seeing.still_s(whole, Span("later", 11.0, 12.0)) == pytest.approx(1.0)
    assert seeing.to_the_end(found, 10.5) == found


def test_probes_that_broke_off_say_nothing_of_what_came_after() -> None:
    found = each_ms(9, 11)
    assert seeing.ended_before(found, Span("later", 11.5, 12.0))
    assert not seeing.ended_before(found, SPAN)


def test_shares_of_each_hundredth_of_a_second() -> None:
    assert seeing.shares(each_ms(0, 0.03, lost=(0.01, 0.015)), 0.0, 0.04) == [1.0, 0.5, 1.0, None]


def test_what_was_not_watched_to_its_end_is_no_reading() -> None:
    seen = Traffic({"udp": each_ms(0, 2), "connections": each_ms(0, 5)}, [Interval(0.0, 5.0, 1)], frozenset())
    seeing.check_to_the_end(seen.last_s, 2.1, 0.1)
    with pytest.raises(ToolFailed, match=r"^udp: the last 3.0 s were not watched, as steps came 2.5 s late$"):
        seeing.check_to_the_end(seen.last_s, 5.0, 2.5)
    broken = Traffic({"connections": each_ms(0, 5)}, [Interval(0.0, 1.0, 1)], frozenset({"tcp"}))
    seeing.check_to_the_end(broken.last_s, 5.0, 0.0)


def test_probes_that_end_early_know_nothing_of_the_rest() -> None:
    """Where the server is gone its client gives up, which is no fault of the reading."""
    assert seeing.ended_early([0.0, 2.0], 4.0)
    assert not seeing.ended_early([1.0, 4.9], 4.0)
    assert not seeing.ended_early([], 4.0)
    given_up = Traffic({"udp": each_ms(0, 2)}, [], frozenset({"udp"}))
    seeing.check_to_the_end(given_up.last_s, 4.0, 0.0)


def test_what_was_not_watched_from_its_beginning_is_no_reading() -> None:
    seen = Traffic({"udp": each_ms(1, 2), "connections": each_ms(4, 5)}, [Interval(0.9, 5.0, 1)], frozenset())
    seeing.check_from_the_beginning(seen.first_s, 4.0)
    with pytest.raises(ToolFailed, match=r"^connections: the first 3.0 s were not watched: what watches began late$"):
        seeing.check_from_the_beginning(seen.first_s, 1.0)


class Clock:
    """Time that passes as somebody sleeps or something takes long."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("takes_s", "late_s"), [(0.0, 0.0), (3.0, 6.0)])
def test_what_follows_a_step_that_comes_late_is_put_off(
    takes_s: float, late_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, lab = Clock(), Lab("x", Path("x"), 1, "", (), "")

    class Slow(Injector):
        def __init__(self) -> None: ...

        def inject(self, fault: Fault) -> Injected:
            clock.now += takes_s
            return Injected(fault, clock.now, clock.now)

    monkeypatch.setattr(doing, "time", clock)
    monkeypatch.setattr(doing, "Client", lambda _: None)
    given = parse(one={"steps": [{"at": 1, "fault": "link-down", "targets": ["a:b"], "for": 2}], "seconds": 5})[0]
    story = doing.Script(lab, given, "node", Slow(), {}).play(given.cases[0], clock.now)
    assert story.late_s == late_s
    assert story.events == [("link-down a:b", 101 + takes_s), ("link-up a:b", 103 + 2 * takes_s)]
    assert story.ends_s == 105 + late_s == clock.now


def run_of() -> Run:
    samples = [
        Sample(metric, unit, value, repetition, labels(path="pod-to-pod", case="cut", watch="udp", event=event))
        for repetition in range(3)
        for event, outage in (("before", 0.0), ("link-down a:b", 5.0), ("link-up a:b", 0.0))
        for metric, unit, value in (("outage", "ms", outage), ("lost", "packets", outage), ("recovery", "ms", outage))
    ]
    kept = {"events": [["link-down a:b", 0.02]], "binS": 0.01, "udp": [1.0, None, 0.0, 1.0]}
    streamed = kept | {"streamBinS": 0.02, "tcp": [1.0, 0.0]}
    late = {**streamed, "udp": [1.0, None, 0.0, 1.0, 1.0, 1.0], "tcp": [1.0, 0.0, 1.0]}
    spec = {
        "experiment": "timeline",
        "repetitions": 3,
        "parameters": {"cases": {"cut": {}}, "client": "c", "watch": ["udp"]},
    }
    return replace(
        RUN,
        samples=tuple(samples),
        readings=(),
        scenario={**RUN.scenario, "spec": spec},
        environment={"lab": {"timelines": {"cut": [kept, streamed, late]}}},
    )


def test_the_story_tells_of_the_first_event_and_the_table_of_all() -> None:
    told = figures.story(run_of())
    assert told.headline == ("cut: UDP 5 ms without traffic, 5 lost, the last one 5 ms after it.",)
    assert [row[1] for row in told.tables[0].rows] == ["before", "link-down a:b", "link-up a:b"]


@pytest.mark.parametrize(("times", "said"), [(1, "UDP 5 ms without"), (2, "UDP and the TCP stream broke off, since")])
def test_the_story_tells_what_broke_off_most_times(times: int, said: str) -> None:
    broken = [
        Sample("broken", "", int(repetition < times), repetition, labels(path="pod-to-pod", case="cut", watch=watch))
        for repetition in range(3)
        for watch in ("udp", "tcp")
    ]
    (line,) = figures.story(replace(run_of(), samples=(*run_of().samples, *broken))).headline
    assert line.startswith(f"cut: {said}")


def test_names_of_events_near_each_other_stand_one_above_the_other() -> None:
    names = [("component-stop openflow", 0.9), ("new pod newcomer", 1.0), ("pod-kill a", 1.1), ("link-up a:b", 4.0)]
    assert plots.levels(names, 5.0) == [0, 1, 2, 0]
    assert plots.levels(names, 1.0) == [0, 1, 2, 0]
    assert plots.levels([(name, 5 * number) for number, (name, _) in enumerate(names)], 20.0) == [0, 0, 0, 0]


def test_timeline_and_distribution_are_drawn_also_where_a_stream_is_missing(tmp_path: Path) -> None:
    assert [drawn.name for drawn in canvas.draw(plots.plots(run_of()), tmp_path)] == ["timeline-udp", "outages"]
    assert not any("timelines" in name for _, entries in report._environment(run_of()) for name, _ in entries)
