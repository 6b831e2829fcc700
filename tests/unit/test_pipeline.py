"""The names of the pipeline: stages, marks, priorities, cookies, and the page that lists them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from network_model import network_of, pod

from controller.desired import subject
from controller.marks import MARKS, Feature, cookie, explain
from controller.pipeline import page, writers
from controller.tables import NODE_TABLES, Default, after
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
PAGE = Path(__file__).parents[2] / "docs" / "pipeline.md"
ORDER = [
    "Classifier",
    "ArpResponder",
    "SpoofGuard",
    "Conntrack",
    "ConntrackState",
    "ServiceFrontEnd",
    "ServiceAffinity",
    "AffinityClients",
    "ServiceLoadBalancing",
    "EndpointSelection",
    "EndpointDnat",
    "DnatAgain",
    "EgressAdmin",
    "EgressPolicy",
    "EgressDefault",
    "EgressBaseline",
    "Routing",
    "PathMtu",
    "TooLarge",
    "Snat",
    "IngressAdmin",
    "IngressPolicy",
    "IngressDefault",
    "IngressBaseline",
    "ConntrackCommit",
    "Output",
    "Denied",
]


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text() == page(), "python -m controller.pipeline > docs/pipeline.md"


def test_the_stages_are_the_designs_in_its_order() -> None:
    assert [table.name for table in NODE_TABLES] == ORDER
    numbers = [table.number for table in NODE_TABLES]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0


def test_every_stage_but_the_last_can_hand_on() -> None:
    way = [table for table in NODE_TABLES if table.default is not Default.RETURN]
    assert [after(table) for table in way] == [*way[1:], None]
    assert NODE_TABLES[-1].default is Default.DROP


def test_marks_do_not_overlap() -> None:
    for one, other in combinations(MARKS.values(), 2):
        assert one.register != other.register or not one.mask & other.mask, (one.name, other.name)


def test_every_stage_has_its_default_and_every_feature_writes_somewhere() -> None:
    written = writers()
    assert all(Feature.PIPELINE in written[table] for table in NODE_TABLES)
    assert {feature for features in written.values() for feature in features} == set(Feature)


def test_cookies_explain_their_flows() -> None:
    network = network_of(2, pod("a", 1, 2), pod("b", 2, 2))
    subjects = network.desired.subjects()
    for dpid in network.fabric.switches:
        for flow in network.desired.wanted(dpid).flows.values():
            explanation = explain(flow.cookie, subjects)
            assert explanation is not None
            assert (explanation.feature, explanation.subjects) == (flow.owner.feature, (flow.owner.subject,))
    assert subject(("Pod", Key("default", "a"))) in subjects


def test_foreign_cookies_are_not_explained() -> None:
    assert explain(0, ["Pod default/a"]) is None
    assert explain(cookie(Feature.ROUTING, "Pod default/gone", ""), ["Pod default/a"]).subjects == ()  # type: ignore[union-attr]


def test_flows_that_differ_have_cookies_that_differ() -> None:
    network = network_of(3, *(pod(f"p{number}", 1, number) for number in range(2, 60)), leaves=2)
    for dpid in network.fabric.switches:
        rules = network.desired.wanted(dpid)
        texts = {(flow.table.number, flow.text) for flow in rules.flows.values()}
        assert len(texts) == len(rules.flows)
