"""The experiment `policy-scale`, its pure parts: policies, the peer's rules, verdicts, figures, planning."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from experiments import catalogue, scenario
from experiments.passing import CLOSED, OPEN, QUIET_S, Verdict
from experiments.policy_scaling import figures, planning
from experiments.policy_scaling.kube_router import Firewall, firewall
from experiments.policy_scaling.policies import (
    CLIENT,
    DENY,
    GUARDED,
    POD_NAME,
    Workload,
    many,
    policy_object,
    wide,
)
from experiments.results import Run, Sample, labels
from experiments.scaling import sweeps
from k8sshim.errors import BadInput
from k8sshim.policies import network_policy

pytestmark = pytest.mark.unit

SERVERS = ["server-0", "server-1", "server-2"]
PODS = [
    Workload("client", "198.18.0.2", (CLIENT,)),
    Workload("guarded", "198.18.1.2", (GUARDED,)),
    *(
        Workload(name, f"198.18.{number}.2", (("app", "server"), (POD_NAME, name)))
        for number, name in enumerate(SERVERS, 2)
    ),
]


def test_the_first_policies_let_the_client_in_and_no_two_of_the_others_are_alike() -> None:
    made = many(50, SERVERS, "server")
    assert [one.subject for one in made[:4]] == [(POD_NAME, name) for name in (*SERVERS, SERVERS[0])]
    assert all(one.groups == (CLIENT,) for one in made[:3])
    others = made[3:]
    assert len({one.ports for one in others}) == len({one.blocks for one in others}) == len(others)
    assert CLIENT not in {group for one in others for group in one.groups}


def test_a_wide_policy_has_the_peers_that_it_says_and_none_beside_another() -> None:
    (one,) = wide(1000, "server")
    assert one.peers == 1000
    numbers = sorted(int(block.partition("/")[0].rpartition(".")[2]) for block in one.blocks[:100])
    assert all(after - before == 2 for before, after in pairwise(numbers))


def test_policies_as_objects_mean_what_they_are() -> None:
    read = network_policy(policy_object(many(4, SERVERS, "server")[3], "scale"))
    assert read.egress is None
    assert read.ingress
    (rule,) = read.ingress
    assert rule.peers
    assert [peer.block.cidr for peer in rule.peers if peer.block] == ["10.128.0.7/32"]
    denied = network_policy(policy_object(DENY, "scale"))
    assert denied.ingress == ()


def held(*, policies: int) -> Firewall:
    return firewall([*many(policies, SERVERS, "server"), DENY], PODS)


def test_every_chain_and_set_that_a_rule_names_is_there() -> None:
    made = held(policies=20)
    declared = set(re.findall(r"^:(\S+)", made.rules, re.M))
    jumps = set(re.findall(r"-j (KUBE-\S+)", made.rules))
    assert jumps <= declared
    named = set(re.findall(r"--match-set (\S+)", made.rules))
    assert named <= {one.name for one in made.sets}
    assert all(len(name) <= 28 for name in declared)  # what iptables takes
    assert all(len(one.name) <= 31 for one in made.sets)  # what ipset takes


def test_a_pod_goes_through_the_policies_about_it_and_no_others() -> None:
    made = held(policies=7)
    chain = re.findall(r'"scale/server-1 in" -d 198.18.3.2 -j (KUBE-POD-FW-\S+)', made.rules)[0]
    assert re.findall(rf'^-A {chain} .*"scale/(policy-\d+) policy"', made.rules, re.M) == ["policy-4", "policy-1"]
    assert "default ingress" not in "".join(line for line in made.rules.splitlines() if line.startswith(f"-A {chain}"))


def test_sets_are_filled_aside_and_swapped_in() -> None:
    lines = held(policies=4).restore.splitlines()
    swapped = [line.split()[1:] for line in lines if line.startswith("swap")]
    assert len(swapped) == len(held(policies=4).sets)
    assert all(f"create {name} hash:" in "\n".join(lines) for _, name in swapped)
    assert not [line for line in lines if line.startswith("add ") and not line.split()[1].startswith("TMP-")]
    assert [line.split()[0] for line in lines[-2:]] == ["destroy", "destroy"]


def test_entries_grow_by_what_a_policy_adds() -> None:
    few, more = held(policies=10), held(policies=11)
    rules = 1 + 2 * 2  # the jump; a mark and a return for pods, and for addresses
    members = 1 + 3 + 1  # the subject, the servers as peers, the address
    assert more.entries - few.entries == rules + members


def test_a_verdict_turns_with_the_first_answer_and_the_first_silence() -> None:
    one = Verdict()
    for began in (1.0, 1.1, 1.2):
        one.began(began)
    assert one.overdue(0.99 + QUIET_S) is None
    assert one.passed(1.1, 1.15) == (OPEN, 1.15)
    assert one.passed(1.2, 1.22) is None
    one.began(1.3)
    one.began(1.4)
    assert one.overdue(1.29 + QUIET_S) is None
    assert one.overdue(1.31 + QUIET_S) == (CLOSED, 1.3)
    assert one.overdue(5.0) is None
    assert one.count == 2


def test_an_answer_that_comes_late_is_of_the_attempt_it_belongs_to() -> None:
    one = Verdict()
    for began in (1.0, 1.1, 1.2):
        one.began(began)
    assert one.passed(1.2, 1.21) == (OPEN, 1.21)
    assert one.passed(1.0, 1.22) is None
    assert one.overdue(9.0) is None, "no attempt began after the one that was answered"


def test_the_size_none_has_readings_but_no_part_in_the_slope(run: Run) -> None:
    (series,) = sweeps.series(run, figures.POLICIES)
    assert [size for size, _ in series.readings] == [0, 10, 100, 1000]
    assert series.slope
    assert series.slope.exponent == pytest.approx(1.0)
    assert sweeps.series(run, figures.PEERS) == []
    told = figures.story(run)
    assert told.headline[0].startswith("With 1000 policies a new policy forbids after: podwire 1000 ms")
    assert told.headline[1] == "Of 2 new pods with podwire, 1 could be reached by who may not before they were covered."
    assert told.tables[0].columns[:3] == ("system", "0 policies", "10 policies")


@pytest.fixture
def run() -> Run:
    def sample(metric: str, value: float, size: int, **more: int) -> Sample:
        return Sample(metric, "ms", value, 0, labels(path="pod-to-pod", system="podwire", policies=size, **more))

    taken = [sample("denied", float(size or 3), size) for size in (0, 10, 100, 1000)]
    taken.append(sample("leaked", 1.0, 10, of=2))
    return Run(
        id="a",
        started="",
        finished="",
        scenario={},
        inputs=(),
        seed=1,
        samples=tuple(taken),
        readings=(),
        failures=(),
        environment={},
    )


def test_a_quick_run_is_told_to_be_quick_and_a_whole_one_to_take_longer() -> None:
    ours = catalogue.prepare(catalogue.find("policy-scale")).scenario
    quick, whole = (planning.expected(scenario.run_as(ours, quick=quick)) for quick in (True, False))
    assert quick.seconds < 240
    assert whole.seconds > quick.seconds
    twice = planning.expected(replace(ours, pace=replace(ours.pace, repetitions=12)))
    assert twice.seconds > whole.seconds


def test_the_parameters_are_read_and_written_back() -> None:
    ours = catalogue.prepare(catalogue.find("policy-scale")).scenario
    assert scenario.parse(scenario.to_raw(ours)) == ours


def test_wrong_parameters_are_told() -> None:
    raw = scenario.to_raw(catalogue.prepare(catalogue.find("policy-scale")).scenario)
    raw["spec"]["parameters"] |= {"policies": [-1], "policyPeers": [0], "beside": ["calico"], "stranger": None}
    with pytest.raises(BadInput) as raised:
        scenario.parse(raw, "mine.yaml")
    said = str(raised.value)
    for words in (
        "spec.parameters.policies[0]: must be a number from 0 to 20000, not -1",
        "spec.parameters.policyPeers[0]: must be a number from 1 to 20000, not 0",
        "spec.parameters.beside[0]: must be kube-router, not 'calico'",
        "spec.parameters.stranger",
    ):
        assert words in said
