"""What a cell of the matrix says: an answer beside what policies expect."""

from __future__ import annotations

import pytest
from policy_world import namespace, node, pod, policy

from experiments.policy.oracle import Oracle
from experiments.reach.cells import Cell, Expected, Judge, differences
from experiments.reach.pairs import Pair, Source, Way
from experiments.reach.probe import Found, Outcome, Probe, again
from experiments.reach.record import sample
from k8sshim.objects import Key

pytestmark = pytest.mark.unit

DENY_B = policy("deny", {"app": "b"}, "d", policyTypes=["Ingress"])
PODS = [pod(one, "d", f"node{n}", f"10.0.{n}.2", {"app": one}, ports={"http": 80}) for n, one in enumerate("abc", 1)]
NODES = [node(f"node{n}", f"172.30.0.{n}") for n in (1, 2, 3)]
JUDGE = Judge(Oracle([namespace("d"), *NODES, *PODS, DENY_B]), ["d/a", "d/b", "d/c"])
A = Source("pod", "d/a", "pod-a", "node1")
B, C = (Way(Key("d", name), 80) for name in "bc")


def pair(*ways: Way, source: Source = A, known: bool = True) -> Pair:
    return Pair(source, "d/target", 80, "TCP", Probe(source.netns, "10.0.0.1", 80, "TCP"), ways, known)


def fault(one: Pair, outcome: Outcome, name: str = "") -> str:
    return JUDGE.cell(one, Found(outcome, name)).fault


@pytest.mark.parametrize(
    ("ways", "expected"),
    [((C,), Expected.ALLOWED), ((B,), Expected.DENIED), ((B, C), Expected.MIXED), ((), Expected.NOBODY)],
)
def test_a_service_is_what_its_endpoints_are(ways: tuple[Way, ...], expected: Expected) -> None:
    assert JUDGE.expected(pair(*ways)) is expected


def test_a_pods_own_node_is_always_let_in_and_others_are_not() -> None:
    own, other = (Source("node", name, f"node-{name}", name) for name in ("node2", "node1"))
    assert JUDGE.expected(pair(B, source=own)) is Expected.ALLOWED
    assert JUDGE.expected(pair(B, source=other)) is Expected.DENIED


def test_what_is_answered_by_no_pod_and_what_is_not_asked_for_is_not_compared() -> None:
    assert JUDGE.expected(pair(C, known=False)) is Expected.UNKNOWN
    assert Judge(None, ()).expected(pair(C)) is Expected.UNKNOWN
    assert Judge(None, ()).cell(pair(B), Found(Outcome.ANSWERED)).fault == ""


def test_a_closed_port_shows_that_packets_pass() -> None:
    assert fault(pair(C), Outcome.CLOSED) == ""
    assert fault(pair(B), Outcome.CLOSED) == "expected denied, closed"
    assert not JUDGE.cell(pair(C), Found(Outcome.CLOSED)).allowed
    assert fault(pair(), Outcome.CLOSED) == ""  # a Service without endpoints refuses
    assert fault(pair(), Outcome.ANSWERED) == "expected nobody, answered"


@pytest.mark.parametrize("outcome", [Outcome.SILENT, Outcome.UNREACHABLE])
def test_nothing_that_comes_back_is_what_denial_looks_like(outcome: Outcome) -> None:
    assert fault(pair(B), outcome) == ""
    assert fault(pair(C), outcome) == f"expected allowed, {outcome.value}"
    assert fault(pair(B, C), outcome) == ""


def test_what_could_not_be_tried_agrees_with_nothing() -> None:
    assert fault(pair(B), Outcome.UNTRIED) == "expected denied, could not be tried"
    assert fault(pair(C), Outcome.UNTRIED) == "expected allowed, could not be tried"


def test_who_answers_must_be_who_was_meant_and_allowed() -> None:
    assert fault(pair(C), Outcome.ANSWERED, "c") == ""
    assert fault(pair(C), Outcome.ANSWERED, "nginx") == ""  # some program's words
    assert fault(pair(C), Outcome.ANSWERED, "a") == "answered by pod a"
    assert fault(pair(B, C), Outcome.ANSWERED, "c") == ""
    assert fault(pair(B, C), Outcome.ANSWERED, "b") == "answered by pod b, which is denied"


def test_silence_that_nobody_expects_is_asked_again_and_answers_are_not() -> None:
    found = [Found(outcome) for outcome in Outcome]
    probes = [Probe("n", "10.0.0.1", 80, "TCP")] * len(found)
    assert [list(Outcome)[i] for i in again(probes, found, [False] * 5)] == [Outcome.SILENT, Outcome.UNTRIED]
    assert list(again(probes, found, [True] * 5)) == []


def test_a_cell_as_the_contract_has_it_and_in_a_record() -> None:
    cell = Cell("d/a", "x/b", 80, "TCP", Outcome.ANSWERED, Expected.DENIED, "expected denied, answered")
    assert cell.raw() == {
        "from": "d/a",
        "to": "x/b",
        "port": 80,
        "protocol": "TCP",
        "allowed": True,
        "outcome": "answered",
        "expected": False,
    }
    assert differences([cell]) == [cell]
    labels = {"from": "d/a", "to": "x/b", "port": 80, "protocol": "TCP", "outcome": "answered", "expected": "denied"}
    assert dict(sample(cell).labels) == {**labels, "fault": cell.fault}
    assert sample(cell).value == 1
