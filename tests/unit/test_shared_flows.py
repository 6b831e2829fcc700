"""Flows that the rules of a policy share: how they become others, and that what stays allowed is allowed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bridges_at_work import EVERYBODY, LONGEST_S, START, X, Y, lived, peers, ports
from network_model import Network, cluster_of, node, pod
from test_opening import CALM_S, Clock, bundled, idle

from controller.actions import Conjunction
from controller.diff import Change
from controller.features.policy import CLAUSES, PEER, POD
from controller.flows import Flow, FlowId, Owner
from controller.marks import Feature, Priority
from controller.opening import closes_anything, closing_objects, object_of, opens_anything, without_openings
from controller.patience import ALWAYS
from controller.tables import INGRESS_ADMIN, INGRESS_DEFAULT, INGRESS_POLICY, Table
from k8sshim.policies import Action, Namespace, Policy, Rule, network_policy

pytestmark = pytest.mark.unit
POLICY, ADDRESS = Owner(Feature.POLICY_ALLOW, "NetworkPolicy x/p ingress"), "10.244.1.2"
ISOLATED = Owner(Feature.ISOLATION, "Pod x/x").flow(INGRESS_DEFAULT, Priority.NORMAL, {"ipv4_dst": ADDRESS})


def shared(clause: int, *rules: int, owner: Owner = POLICY, table: Table = INGRESS_POLICY) -> Flow:
    """The flow of a pod or of a peer that these rules have in common."""
    field = "ipv4_dst" if clause == POD else "ipv4_src"
    bare = owner.flow(table, 5000, {"eth_type": 0x0800, field: ADDRESS})
    return bare.with_clauses(Conjunction(rule, clause, CLAUSES) for rule in rules)


def verdict(rule: int) -> Flow:
    owner = Owner(Feature.POLICY_ALLOW, f"{POLICY.subject}[{rule}]")
    return owner.flow(INGRESS_POLICY, Priority.NORMAL, {"eth_type": 0x0800, "conj_id": rule})


def change_of(gone: Iterable[Flow], come: Iterable[Flow]) -> Change:
    change = Change()
    for one in gone:
        change.put(one.id, None, one)
    for one in come:
        change.put(one.id, one)
    return change


def parts(gone: Iterable[Flow], come: Iterable[Flow], *, baseline: bool = False) -> list[dict[FlowId, Flow | None]]:
    return [one.flows for one in without_openings(change_of(gone, come), baseline=baseline)]


@pytest.mark.parametrize("clause", [POD, PEER])
def test_what_stays_allowed_is_allowed_all_the_time(clause: int) -> None:
    before, meanwhile, after = shared(clause, 1, 2), shared(clause, 2), shared(clause, 2, 3)
    change = change_of([before], [after])
    assert parts([before], [after]) == [
        {before.id: None, meanwhile.id: meanwhile},
        {meanwhile.id: None, after.id: after},
    ]
    assert closes_anything(change) and opens_anything(change)
    assert closing_objects(change) == {object_of(before.id)}


def test_a_rule_more_closes_nothing_and_a_rule_less_opens_nothing() -> None:
    less, more = shared(POD, 1), shared(POD, 1, 2)
    change = change_of([less], [more])
    assert parts([less], [more]) == [{}, change.flows]
    assert opens_anything(change) and not closes_anything(change) and not closing_objects(change)
    change = change_of([more], [less])
    assert parts([more], [less]) == [change.flows, {}]
    assert closes_anything(change) and not opens_anything(change)


def test_a_rule_that_is_new_has_its_peers_at_once_and_its_pods_when_it_may() -> None:
    pods, peers = ([shared(clause, 1), shared(clause, 1, 2)] for clause in (POD, PEER))
    rest, opening = parts([pods[0], peers[0]], [pods[1], peers[1], verdict(2)])
    assert rest == change_of([peers[0]], [peers[1], verdict(2)]).flows
    assert opening == change_of([pods[0]], [pods[1]]).flows


def test_a_verdict_comes_before_its_clauses_may() -> None:
    """A rule without one would be in the way of others that allow the same."""
    pods, verdicts = [shared(POD, 1), shared(POD, 1, 2)], [verdict(2)]
    rest, opening = parts([pods[0]], [pods[1], *verdicts], baseline=True)
    assert rest == change_of([], verdicts).flows
    assert opening == change_of([pods[0]], [pods[1]]).flows


def test_a_rule_that_goes_is_taken_from_its_pods_at_once() -> None:
    """Its peers and its verdict go with what opens: it may be that pods are let go that it was about."""
    pods, peers = ([shared(clause, 1, 2), shared(clause, 1)] for clause in (POD, PEER))
    rest, opening = parts([pods[0], peers[0], verdict(2)], [pods[1], peers[1]])
    assert rest == change_of([pods[0]], [pods[1]]).flows
    assert opening == change_of([peers[0], verdict(2)], [peers[1]]).flows


def test_all_rules_of_a_pod_come_and_go_with_its_isolation_where_there_is_no_baseline() -> None:
    pods, change = shared(POD, 1, 2), change_of([], [ISOLATED, shared(POD, 1, 2)])
    assert parts([], [ISOLATED, pods]) == [change.flows, {}]
    assert parts([], [ISOLATED, pods], baseline=True) == [{ISOLATED.id: ISOLATED}, {pods.id: pods}]
    assert parts([ISOLATED, pods], []) == [{}, change_of([ISOLATED, pods], []).flows]
    assert parts([ISOLATED, pods], [], baseline=True) == [{pods.id: None}, {ISOLATED.id: None}]


@pytest.mark.parametrize(
    ("feature", "meanwhile"),
    [(Feature.POLICY_ALLOW, (2,)), (Feature.POLICY_DENY, (1, 2, 3)), (Feature.POLICY_PASS, (1, 2))],
)
def test_rules_of_an_administrator_become_others(feature: Feature, meanwhile: tuple[int, ...]) -> None:
    """What denies is there before the other goes, and what passes waits with all of it."""
    owner = Owner(feature, "AdminNetworkPolicy p ingress[0]")
    before, between, after = (
        shared(PEER, *rules, owner=owner, table=INGRESS_ADMIN) for rules in ((1, 2), meanwhile, (2, 3))
    )
    rest, opening = parts([before], [after])
    assert rest == ({} if between == before else change_of([before], [between]).flows)
    assert opening == change_of([between], [after]).flows


def test_a_flow_stays_until_the_one_comes_that_takes_its_place() -> None:
    """Also where another was to take its place, and was not sent yet."""
    sync, wire = idle([ALWAYS], clock := Clock(), CALM_S)
    held, soon, later = shared(POD, 1), shared(POD, 1, 2), shared(POD, 1, 3)
    sync.change(change_of([held], [soon]))
    sync.flush()
    clock.now += 0.9 * CALM_S
    sync.change(change_of([soon], [later]))
    sync.flush()
    clock.now += 0.2 * CALM_S
    sync.flush()
    assert bundled(wire) == 0
    clock.now += CALM_S
    sync.flush()
    assert bundled(wire) == 2 and not sync.withholds


def test_one_flow_closes_and_opens_in_one_bundle_where_nobody_has_to_wait() -> None:
    sync, wire = idle([ALWAYS], Clock(), CALM_S)
    sync.change(change_of([shared(POD, 1, 2)], [shared(POD, 2, 3)]))
    sync.flush()
    assert bundled(wire) == 2 and not sync.withholds


# What policies come to


def policy(*ports: int, name: str = "p") -> Policy:
    """One rule a port, for any peer, about every pod."""
    rules = [{"ports": [{"port": port}], "from": [{"podSelector": {}}]} for port in ports]
    raw = {"metadata": {"name": name, "namespace": "default"}, "spec": {"podSelector": {}, "ingress": rules}}
    return network_policy(raw)


def held(*policies: Policy, pods: int = 5) -> dict[int, int]:
    """How many flows of policies lead to so many rules, on the one bridge with pods."""
    network = Network(cluster_of(1))
    network.put(cluster_of(1), node(1), Namespace("default", ()))
    network.put(*(pod(f"p{number}", 1, 2 + number) for number in range(pods)), *policies)
    counts: dict[int, int] = {}
    for flow in network.desired.wanted(1).flows.values():
        if flow.owner.feature is Feature.POLICY_ALLOW:
            counts[len(flow.clauses)] = counts.get(len(flow.clauses), 0) + 1
    return counts


def test_flows_are_the_sum_of_pods_peers_ports_and_twice_the_rules() -> None:
    """The pods and the peers are the same of all ten rules, the ports are not."""
    assert held(policy(*range(80, 90))) == {10: 5 + 5, 1: 10, 0: 2 * 10}


def test_policies_share_nothing() -> None:
    """A change of one touches no flow of another."""
    assert held(policy(80), policy(80, name="q")) == {1: 2 * (5 + 5 + 1), 0: 2 * 2}


# What bridges hold while policies change


def test_an_address_that_two_pods_have_in_turn_stays_isolated() -> None:
    """The isolation of the one takes the place of the other's, which was to go later, and comes back before that."""
    isolated = ("policy", "p", EVERYBODY, None, ())
    lived([isolated], [([("pod", 1, ("b", "y", 80))], 0.0), ([("pod", 1, START[1])], 0.0)], [0])


def test_it_does_so_where_nothing_is_known_of_what_was_to_go_but_its_cookie() -> None:
    """The switch was read anew: it is read once more."""
    isolated = ("policy", "p", EVERYBODY, None, ())
    lived([isolated], [([("lose", 1), ("pod", 1, ("b", "y", 80))], 0.02), ([("pod", 1, START[1])], 0.0)], [0])


def test_what_an_address_is_allowed_goes_with_the_pod_that_had_it_though_both_are_isolated() -> None:
    """Otherwise the other end, which waits for what closes alone, would open before."""
    start = [("policy", "p", X, (Rule(Action.ALLOW, None, None),), None), ("policy", "q", Y, (), ())]
    lived(start, [([("pod", 2, ("b", "y", 80)), ("policy", "q", Y, (), None)], LONGEST_S)], [0, 30, 90])


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_rule_that_denies_denies_until_it_goes_though_it_passes_others_on_from_now(direction: str) -> None:
    """It would pass them on, too, while it has both peers, or both ports, and the verdict of the new rule."""
    last = Rule(Action.DENY, None, None)
    before, after = ((Rule(action, peers(one), ports(port)), last)
                     for action, one, port in ((Action.DENY, X, 80), (Action.PASS, Y, 81)))  # fmt: skip
    both = [("policy", "first", EVERYBODY, *((one, None) if direction == "ingress" else (None, one)))
            for one in (before, after)]  # fmt: skip
    lived(both[:1], [(both[1:], LONGEST_S)], [3, 7, 11])
