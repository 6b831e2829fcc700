"""The engine of policies, clause by clause; `tools/mutate` breaks each on purpose, and asks that a test here fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from network_model import Network, cluster_of, named, node, pod

from controller.desired import Desired, View
from controller.marks import RULE_PRIORITIES, Side
from controller.policed import member_of
from controller.policy import engine, places
from controller.policy.engine import Policies
from controller.policy.entries import EVERY_PORT, EVERYWHERE, Isolation, Itself, PortMatch, RuleVerdict
from controller.policy.members import Groups, Member
from controller.policy.networks import of_block
from controller.policy.places import FreePlaces, in_order, place_in
from controller.policy.ports import blocks, numbered, resolved
from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy
from k8sshim.errors import PodwireError
from k8sshim.objects import ContainerPort, Key, PodNetwork
from k8sshim.policies import Block, Namespace, PodGroup, Policy, PolicyPort, Tier, network_policy
from k8sshim.selectors import EVERYTHING, Selector

pytestmark = pytest.mark.unit
FIRST, END = RULE_PRIORITIES
EVERYBODY = {"namespaces": {}}
ABOUT = {"name": "p", "namespace": "a"}
WEB = Selector.from_raw({"matchLabels": {"app": "web"}})


def admin(name: str, priority: int, rules: int = 1, *, named: bool = False) -> Policy:
    rule = {"action": "Deny", "from": [EVERYBODY], **({"ports": [{"namedPort": "http"}]} if named else {})}
    spec = {"priority": priority, "subject": EVERYBODY, "ingress": [rule] * rules}
    return admin_network_policy({"kind": "AdminNetworkPolicy", "metadata": {"name": name}, "spec": spec})


# Ports


@pytest.mark.parametrize(
    ("first", "last", "count"), [(80, 80, 1), (80, 87, 1), (80, 90, 3), (1, 65534, 30), (1, 65535, 16), (0, 65535, 1)]
)
def test_a_range_of_ports_is_the_fewest_masked_values(first: int, last: int, count: int) -> None:
    found = list(blocks(first, last))
    assert len(found) == count
    met = [port for port in range(65536) for value, mask in found if port & mask == value]
    assert met == list(range(first, last + 1))


def test_ports_by_number_protocol_or_not_at_all() -> None:
    assert numbered(None) == {EVERY_PORT}
    ports = [PolicyPort("TCP", 80), PolicyPort("UDP"), PolicyPort("SCTP", 6, 7), PolicyPort("TCP", "http")]
    assert numbered(ports) == {PortMatch("TCP", 80, 0xFFFF), PortMatch("UDP"), PortMatch("SCTP", 6, 0xFFFE)}


def test_a_name_is_what_a_pod_calls_so_for_the_protocol() -> None:
    named = (("TCP", "http", 8080), ("UDP", "http", 8081), ("TCP", "sql", 5432))
    assert resolved([PolicyPort("TCP", "http"), PolicyPort("TCP", 80)], named) == {PortMatch("TCP", 8080, 0xFFFF)}
    assert {one.value for one in resolved([PolicyPort("", "http")], named)} == {8080, 8081}
    assert resolved(None, named) == resolved([PolicyPort("UDP", "sql")], named) == frozenset()


# Ranges of addresses


@pytest.mark.parametrize(
    ("cidr", "excepted"),
    [
        ("10.0.0.0/8", []),
        ("10.0.0.0/29", ["10.0.0.4/31", "10.0.0.1/32"]),
        ("10.0.0.0/29", ["10.0.0.0/28"]),
        ("10.0.0.0/29", ["10.0.0.8/29", "fd00::/8"]),
        ("0.0.0.0/0", ["10.0.0.0/30"]),
    ],
)
def test_a_block_is_what_no_exception_takes(cidr: str, excepted: list[str]) -> None:
    found = [ip_network(one) for one in of_block(Block(cidr, tuple(excepted)))]
    for text in (*(f"10.0.0.{n}" for n in range(20)), "9.255.255.255", "10.255.255.255", "11.0.0.0"):
        address = ip_address(text)
        wanted = address in ip_network(cidr) and not any(address in ip_network(one) for one in excepted)
        assert sum(address in one for one in found) == wanted, text


def test_a_block_is_the_fewest_ranges_each_as_flows_write_it() -> None:
    assert of_block(Block("10.0.0.0/30", ("10.0.0.3/32",))) == {"10.0.0.0/31", "10.0.0.2"}
    assert of_block(Block("0.0.0.0/0")) == set(EVERYWHERE)
    assert of_block(Block("fd00::/8")) == frozenset()


# Priorities


def test_no_two_rules_share_a_priority_and_a_name_keeps_its_own() -> None:
    free, names = FreePlaces(), [f"rule {n}" for n in range(3000)]
    found = [free.of(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(FIRST <= one < END for one in found)
    assert [free.of(name) for name in names] == found


def test_priorities_come_to_an_end_and_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_END", FIRST + 3)
    free = FreePlaces()
    assert sorted(map(free.of, "abc")) == [FIRST, FIRST + 1, FIRST + 2]
    with pytest.raises(PodwireError, match="no more than 3 priorities for NetworkPolicies: d has none"):
        free.of("d")
    given = free.of("b")
    free.give_back("b")
    free.give_back("never had one")
    assert free.of("d") == given


def test_the_lowest_priority_is_first_then_kind_then_name() -> None:
    kinds = [replace(admin("a", 3), kind="ClusterNetworkPolicy"), admin("b", 3), admin("a", 3), admin("z", 2)]
    found = in_order(kinds, "Ingress")
    order = sorted(found, key=lambda unit: -found[unit])
    assert [f"{kind[0]}{key}" for kind, key in order] == ["Az", "Aa", "Ab", "Ca"]
    assert in_order([admin("a", 0)], "Ingress") == {("AdminNetworkPolicy", Key("", "a")): END - 1}
    assert in_order([], "Ingress") == {}


def test_a_policy_has_room_so_that_few_others_move() -> None:
    unit = ("AdminNetworkPolicy", Key("", "b"))
    alone = in_order([admin("b", 6)], "Ingress")[unit]
    assert in_order([admin("a", 5, 58), admin("b", 6)], "Ingress")[unit] == alone
    assert in_order([admin("a", 5, 59), admin("b", 6)], "Ingress")[unit] == alone - 1
    assert in_order([admin("a", 5, 59), admin("b", 6)], "Egress")[unit] == alone


def test_what_does_not_fit_with_room_is_packed_and_what_does_not_fit_at_all_is_told() -> None:
    many = [admin(f"p{n:02}", 1000, 100, named=True) for n in range(36)]
    found = in_order(many, "Ingress")
    assert sorted(found.values(), reverse=True) == [END - 1 - 1600 * n for n in range(36)]
    last = in_order([*many, admin("more", 0, 100, named=True)], "Ingress")[many[-1].kind, many[-1].key]
    assert place_in(many[-1].ingress or (), 87, 0, last) == FIRST + 7
    with pytest.raises(PodwireError, match="no more than 59000 rules"):
        place_in(many[-1].ingress or (), 88, 0, last)


def test_a_policy_fits_with_room_where_its_last_rule_does() -> None:
    alone, after = admin("a", 1000, 62, named=True), admin("b", 1000, 1)
    unit = (alone.kind, alone.key)
    assert in_order([alone, after], "Ingress")[unit] == END - 1 - 58 * 1000
    assert in_order([admin("a", 1000, 63, named=True)], "Ingress")[unit] == END - 1


def test_the_places_of_a_policys_rules() -> None:
    rules = admin("a", 0, named=True).ingress or ()
    plain = admin("a", 0).ingress or ()
    assert [place_in((*plain, *rules, *plain), index, 0, 5000) for index in range(3)] == [5000, 4999, 4983]
    assert place_in(rules, 0, 15, 5000) == 4985
    with pytest.raises(PodwireError, match="more than 16 sets of numbers"):
        place_in(rules, 0, 16, 5000)


# Who is meant


def member(key: str, dpid: int = 1, number: int = 2, **labels: str) -> Member:
    namespace, name = key.split("/")
    address = (f"10.244.{dpid}.{number}",)
    return Member(Key(namespace, name), tuple(sorted(labels.items())), address, dpid, ())


def test_a_group_follows_pods_and_namespaces() -> None:
    groups, user = Groups(), ("NetworkPolicy", Key("a", "p"))
    own, picked = PodGroup("a", None, WEB), PodGroup("", Selector.from_raw({"matchLabels": {"team": "x"}}), EVERYTHING)
    web, other = member("a/web", app="web"), member("b/web", 2, app="web")
    assert groups.put_pod(web.key, web) == set()
    groups.put_pod(other.key, other)
    groups.ask(user, own)
    groups.ask(user, picked)
    assert (set(groups[own].members), set(groups[picked].members)) == ({web.key}, set())
    assert groups.put_namespace("b", Namespace("b", (("team", "x"),))) == {user}
    assert groups.put_namespace("b", Namespace("b", (("team", "x"), ("more", "y")))) == set()
    assert (groups[picked].addresses, groups[picked].at_bridges) == ({"10.244.2.2"}, {2: {"10.244.2.2"}})
    assert groups.put_namespace("b", None) == {user}
    assert groups[picked].addresses == frozenset()
    plain = replace(web, labels=())
    assert (groups.put_pod(web.key, plain), groups.put_pod(web.key, plain)) == ({user}, set())
    assert (groups[own].places, groups[own].at_bridges) == (frozenset(), {})
    assert groups.put_pod(web.key, web) == {user}
    assert groups[own].places == {(1, "Pod a/web", "10.244.1.2")}
    assert groups.put_pod(web.key, replace(web, dpid=3)) == {user}
    assert groups.put_pod(web.key, None) == {user}


def test_pods_of_a_namespace_that_is_not_known_are_nobodys_peers() -> None:
    groups, user = Groups(), ("NetworkPolicy", Key("a", "p"))
    everybody = PodGroup("", EVERYTHING, EVERYTHING)
    web = member("b/web")
    groups.put_pod(web.key, web)
    groups.ask(user, everybody)
    assert not groups[everybody].members


def test_a_group_lives_as_long_as_somebody_asks_for_it() -> None:
    groups, group = Groups(), PodGroup("a", None, WEB)
    one, other = ("NetworkPolicy", Key("a", "one")), ("NetworkPolicy", Key("a", "other"))
    web = member("a/web", app="web")
    groups.put_pod(web.key, web)
    for user in (one, other):
        groups.ask(user, group)
    assert groups.put_pod(web.key, replace(web, dpid=2)) == {one, other}
    groups.leave(one, group)
    assert groups.put_pod(web.key, web) == {other}
    groups.leave(other, group)
    assert groups.put_pod(web.key, None) == set()
    with pytest.raises(KeyError):
        groups[group]
    groups.ask(one, group)
    assert not groups[group].members
    assert groups.put_pod(web.key, web) == {one}


def test_pods_that_policies_know() -> None:
    ports = (ContainerPort("http", 80, "TCP"), ContainerPort("", 81, "TCP"))
    known = replace(pod("a", 1, 2), ports=ports, network=PodNetwork(("10.244.1.2", "fd00::2"), "0a:58:0a:f4:01:02", 18))
    bridge = {"node1": 1}.get
    assert member_of(known, bridge) == Member(known.key, (), ("10.244.1.2",), 1, (("TCP", "http", 80),))
    assert member_of(replace(known, host_network=True), bridge) is None
    assert member_of(replace(known, phase="Succeeded"), bridge) is None
    assert member_of(replace(known, network=None), bridge) is None
    assert member_of(replace(known, node="node2"), bridge) is None


# Changes


VIEWS = (cluster_of(2), node(1), node(2), Namespace("default", ()), pod("a", 1, 2), pod("b", 2, 3))


def every(policies: Policies) -> set[str]:
    return set(policies.subjects())


def test_priorities_of_an_administrator_move_in_step() -> None:
    """What comes in the middle pushes those after it down, in whatever order they came."""
    after, before = admin("z", 6, 2), admin("a", 5, 3)
    network = Network(cluster_of(2))
    network.put(*VIEWS)
    held: dict[Key, Policy] = {}
    for step in (after, before, admin("m", 5, 60), admin("m", 5, 100), admin("m", 5, 1), admin("m", 5, 60)):
        held[step.key] = step
        network.put(step)
        check(network, [*held.values()])
    network.remove(held.pop(Key("", "m")))
    check(network, [*held.values()])
    network.put(replace(before, tier=Tier.BASELINE))
    check(network, [after, replace(before, tier=Tier.BASELINE)])


def check(network: Network, policies: list[Policy], views: Sequence[View] = VIEWS) -> None:
    """Switches hold what a controller that starts now would send them."""
    anew = Desired()
    for view in (*views, *policies):
        anew.put(*named(view), view)
    for dpid in (1, 2):
        assert set(network.fabric.switches[dpid].holds().flows) == set(anew.wanted(dpid).flows)
        assert set(network.desired.wanted(dpid).flows) == set(anew.wanted(dpid).flows)


def test_whatever_changes_switches_hold_what_they_would_be_sent_anew() -> None:
    """Pods come, move, change and go; so do namespaces, nodes and policies."""
    web = replace(pod("web", 1, 5), labels=(("app", "web"),), ports=(ContainerPort("http", 8080, "TCP"),))
    peer = {"namespaceSelector": {"matchLabels": {"team": "x"}}, "podSelector": {"matchLabels": {"app": "web"}}}
    rules = [{"from": [peer], "ports": [{"port": "http"}, {"port": 80}]}, {"from": [{"podSelector": {}}]}]
    egress = [{"to": [{"podSelector": {}}], "ports": [{"port": "http"}, {"port": 443}]}, {"ports": [{"port": "http"}]}]
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": rules, "egress": egress}
    own = network_policy({"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    nodes = {"action": "Deny", "to": [{"nodes": {"matchLabels": {"disk": "ssd"}}}, {"namespaces": {}}]}
    guard = {"priority": 3, "subject": EVERYBODY, "egress": [nodes]}
    wide = admin_network_policy({"kind": "AdminNetworkPolicy", "metadata": {"name": "wide"}, "spec": guard})
    held: dict[object, View] = {named(view): view for view in (*VIEWS, own, wide)}
    network = Network(cluster_of(2))
    network.put(*held.values())
    there, elsewhere = replace(web, node="node2", network=pod("web", 2, 9).network), pod("more", 2, 7)
    steps: list[View] = [
        web,
        Namespace("default", (("team", "x"),)),
        replace(web, labels=()),
        replace(web, ports=(ContainerPort("http", 9090, "TCP"),)),
        elsewhere,
        there,
        replace(there, phase="Failed"),
        there,
        replace(node(1), labels=(("disk", "ssd"),)),
        replace(node(1), labels=(("disk", "ssd"),), addresses=("172.30.0.77",)),
        replace(own, egress=None),
        replace(own, subject=PodGroup("default", None, WEB)),
        admin("wide", 3),
        Namespace("default", ()),
    ]
    for step in steps:
        held[named(step)] = step
        network.put(step)
        check(network, [], [*held.values()])
    for view in (own, node(1), there, elsewhere, admin("wide", 3), pod("a", 1, 2), Namespace("default", ())):
        network.remove(view)
        del held[named(view)]
        check(network, [], [*held.values()])


def test_a_rule_that_can_match_nothing_has_no_flows() -> None:
    policies = Policies(lambda name: 1)
    web = member("a/web", app="web")
    policies.put_pod(web.key, web)
    nobody = {"from": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]}
    spec = {"podSelector": {}, "ingress": [nobody, {"ports": [{"port": "no-such-name"}]}]}
    one = network_policy({"metadata": {"name": "p", "namespace": "a"}, "spec": spec})
    assert {type(entry) for entry in policies.put_policy(("NetworkPolicy", one.key), one).come} == {Isolation, Itself}
    spec = {"podSelector": {"matchLabels": {"app": "nobody"}}, "ingress": [{}]}
    other = network_policy({"metadata": {"name": "other", "namespace": "a"}, "spec": spec})
    assert policies.put_policy(("NetworkPolicy", other.key), other).come == []
    assert every(policies) == set(), "nor a priority, of which there are only so many"


def test_what_one_policy_says_of_a_pod_does_not_come_again_with_another() -> None:
    policies = Policies(lambda name: 1)
    web = member("a/web", app="web")
    policies.put_pod(web.key, web)
    first, second = (
        network_policy({"metadata": {"name": name, "namespace": "a"}, "spec": {"podSelector": {}}}) for name in "pq"
    )
    come = policies.put_policy(("NetworkPolicy", first.key), first).come
    assert {type(entry) for entry in come} == {Isolation, Itself}
    assert policies.put_policy(("NetworkPolicy", second.key), second).come == []
    assert policies.put_policy(("NetworkPolicy", first.key), None).gone == []
    assert policies.put_policy(("NetworkPolicy", second.key), None).gone == come


def test_a_policy_that_is_replaced_leaves_nothing_behind() -> None:
    policies = Policies(lambda name: 1)
    web = member("a/web", app="web")
    policies.put_pod(web.key, web)
    one = network_policy({"metadata": {"name": "p", "namespace": "a"}, "spec": {"podSelector": {}, "ingress": [{}]}})
    unit = ("NetworkPolicy", one.key)
    come = policies.put_policy(unit, one)
    assert every(policies) == {"NetworkPolicy a/p ingress[0]", "NetworkPolicy a/p ingress"}
    assert not come.gone
    assert policies.put_policy(unit, one).come == policies.put_policy(unit, one).gone == []
    gone = policies.put_policy(unit, None)
    assert set(gone.gone) == set(come.come) and not gone.come
    assert every(policies) == set()
    with pytest.raises(KeyError):
        policies._groups[one.subject]  # nobody keeps it up to date any more


def test_priorities_of_policies_that_are_gone_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_END", FIRST + 2)
    policies = Policies(lambda name: 1)
    web = member("a/web", app="web")
    policies.put_pod(web.key, web)
    for number in range(5):
        raw = {"metadata": {"name": f"p{number}", "namespace": "a"}, "spec": {"podSelector": {}, "ingress": [{}, {}]}}
        one = network_policy(raw)
        policies.put_policy(("NetworkPolicy", one.key), one)
        assert len(policies.subjects()) == 3
        policies.put_policy(("NetworkPolicy", one.key), None)


def test_rules_share_a_priority_as_far_as_a_flow_has_room_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_SHARING", 2)
    policies = Policies(len)
    web = member("a/web", app="web")
    policies.put_pod(web.key, web)
    spec = {"podSelector": {}, "ingress": [{}, {}, {}, {}, {}], "egress": [{}]}
    come = policies.put_policy(("NetworkPolicy", Key("a", "p")), network_policy({"metadata": ABOUT, "spec": spec})).come
    places = [entry.rule for entry in come if isinstance(entry, RuleVerdict)]
    sharing = {(one.sharing, one.priority): one.sharing for one in places}
    shared = [f"NetworkPolicy a/p {name}" for name in ("ingress", "ingress 1", "ingress 2", "egress")]
    assert sorted(sharing.values()) == sorted(shared)


def test_who_isolates_and_which_rule_has_a_number() -> None:
    numbers: dict[str, int] = {}
    policies = Policies(lambda name: numbers.setdefault(name, len(numbers) + 1))
    web, other = member("a/web", app="web"), member("a/other", number=3)
    for one in (web, other):
        policies.put_pod(one.key, one)
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]}
    isolating = network_policy({"metadata": {"name": "p", "namespace": "a"}, "spec": spec})
    baseline = {"subject": EVERYBODY, "ingress": [{"action": "Deny", "from": [EVERYBODY]}]}
    raw = {"kind": "BaselineAdminNetworkPolicy", "metadata": {"name": "default"}, "spec": baseline}
    policies.put_namespace("a", Namespace("a", ()))
    others = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
    spec = {"podSelector": others, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}
    other_one = network_policy({"metadata": {"name": "q", "namespace": "a"}, "spec": spec})
    for policy in (isolating, other_one, baseline_admin_network_policy(raw)):
        policies.put_policy((policy.kind, policy.key), policy)
    assert policies.isolating(web.key, Side.INGRESS) == [isolating]
    assert policies.isolating(web.key, Side.EGRESS) == []
    assert policies.isolating(other.key, Side.INGRESS) == [other_one]  # of which the web pod is a peer alone
    found = {number: policies.rule(number) for number in (*numbers.values(), 99)}
    assert [rule and rule.subject for rule in found.values()] == [
        "NetworkPolicy a/p ingress[0]",
        "NetworkPolicy a/q ingress[0]",
        "BaselineAdminNetworkPolicy default ingress[0]",
        None,
    ]


def test_what_has_no_place_is_left_out_and_keeps_nothing_else_from_being_enforced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policies = Policies(lambda name: 1)
    policies.put_namespace("a", Namespace("a", ()))
    wide, own = admin("wide", 1, named=True), network_policy({"metadata": {"name": "p", "namespace": "a"}, "spec": {}})
    for policy in (wide, own):
        policies.put_policy((policy.kind, policy.key), policy)
    for number in range(2, 20):
        one = replace(member(f"a/p{number}", number=number), ports=(("TCP", "http", 8000 + number),))
        come = policies.put_pod(one.key, one).come
        assert Isolation(1, f"Pod {one.key}", Side.INGRESS, one.addresses[0]) in come
    assert policies.subjects() == ["AdminNetworkPolicy wide ingress[0]"]
    assert "AdminNetworkPolicy wide ingress[0]: a part of it is left out: a port name stands for more" in caplog.text
    gone = policies.put_policy((wide.kind, wide.key), None)
    assert len({entry for entry in gone.gone if isinstance(entry, RuleVerdict)}) == 16


def test_more_rules_than_priorities_keep_nothing_else_from_being_enforced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(places, "_END", FIRST + 5)
    policies = Policies(lambda name: 1)
    policies.put_namespace("a", Namespace("a", ()))
    own = network_policy({"metadata": {"name": "p", "namespace": "a"}, "spec": {}})
    for policy in (own, *(admin(f"admin-{number}", number, 2) for number in range(4))):
        policies.put_policy((policy.kind, policy.key), policy)
    web = member("a/web", app="web")
    assert Isolation(1, "Pod a/web", Side.INGRESS, web.addresses[0]) in policies.put_pod(web.key, web).come
    kept = [f"AdminNetworkPolicy admin-{number} ingress[{index}]" for number in range(3) for index in range(2)][:5]
    assert policies.subjects() == kept
    assert "AdminNetworkPolicy admin-2 ingress[1]: a part of it is left out: no more than 5 rules" in caplog.text
    policies.put_policy(("AdminNetworkPolicy", Key("", "admin-0")), None)
    assert "AdminNetworkPolicy admin-3 ingress[0]" in policies.subjects()
