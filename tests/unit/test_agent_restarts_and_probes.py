"""Restart decisions, back-off, and what probe results add up to."""

import pytest

from topo.agent import restarts
from topo.agent.podspec import Probe, parse
from topo.agent.probes import Tally, pause_s, port_number
from topo.agent.restarts import Backoff

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("policy", "exit_code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy: str, exit_code: int, again: bool) -> None:
    assert restarts.wanted(policy, exit_code) is again


def test_init_containers_run_until_they_succeed_and_sidecars_for_ever() -> None:
    assert restarts.policy_of("Always", init=True, sidecar=False) == "OnFailure"
    assert restarts.policy_of("Never", init=True, sidecar=False) == "Never"
    assert restarts.policy_of("Never", init=True, sidecar=True) == "Always"
    assert restarts.policy_of("Always", init=False, sidecar=False) == "Always"


def test_back_off_doubles_to_its_cap() -> None:
    backoff, delays = Backoff(base_s=10, cap_s=300), []
    for _ in range(9):
        backoff = backoff.after(ran_s=1)
        delays.append(backoff.delay_s)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_back_off_starts_afresh_after_a_long_run() -> None:
    backoff = Backoff(base_s=10, cap_s=300, ended=7)
    assert backoff.after(ran_s=599).delay_s == 300
    assert backoff.after(ran_s=600).delay_s == 0


def test_back_off_never_overflows() -> None:
    assert Backoff(base_s=10, cap_s=300, ended=5000).delay_s == 300


def tally(probe: Probe, results: str) -> list[bool | None]:
    one, verdicts = Tally(), []
    for result in results:
        one = one.after(result == "+", probe)
        verdicts.append(one.verdict)
    return verdicts


def test_a_verdict_needs_its_threshold_in_a_row() -> None:
    probe = Probe("tcp", success_threshold=2, failure_threshold=3)
    assert tally(probe, "+-++") == [None, None, None, True]
    assert tally(probe, "++--+---") == [None, True, True, True, True, True, True, False]


def test_one_success_is_enough_by_default() -> None:
    assert tally(Probe("tcp"), "--+") == [None, None, True]
    assert tally(Probe("tcp"), "---") == [None, None, False]


def test_readiness_is_asked_for_often_until_it_came_once() -> None:
    probe = Probe("tcp", period_s=10)
    assert pause_s(probe, Tally(), eager=True) == 1
    assert pause_s(probe, Tally(verdict=True), eager=True) == 10
    assert pause_s(probe, Tally(), eager=False) == 10
    assert pause_s(Probe("tcp", period_s=0.5), Tally(), eager=True) == 0.5


@pytest.mark.parametrize(("port", "number"), [(80, 80), ("http", 8080), ("81", 81), ("none", None)])
def test_probe_ports_by_number_and_by_name(port: int | str, number: int | None) -> None:
    spec = {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}
    container = parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}).containers[0]
    assert port_number(Probe("http", port=port), container) == number


def test_probes_are_read_with_the_defaults_of_the_api() -> None:
    raw = {
        "httpGet": {"port": "web", "path": "/ok", "httpHeaders": [{"name": "Host", "value": "h"}]},
        "periodSeconds": 3,
    }
    spec = {"containers": [{"name": "c", "readinessProbe": raw, "livenessProbe": {"exec": {"command": ["true"]}}}]}
    container = parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}).containers[0]
    assert container.readiness == Probe("http", port="web", path="/ok", headers=(("Host", "h"),), period_s=3)
    assert container.liveness == Probe("exec", command=("true",))
    assert container.startup is None
