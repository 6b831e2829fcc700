"""What is sent to a switch, when, and what its answers lead to."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from network_model import endpoint, endpoint_slice, network_of, pod, service

from controller import framework
from controller.diff import Change, Rules
from controller.encode import Encoder
from controller.flows import Owner
from controller.marks import Feature, Priority
from controller.open_connections import AT_ONCE_S, LATER_S
from controller.stale import Stale
from controller.sync import Counters, State, SwitchSync
from controller.tables import INGRESS_DEFAULT, ROUTING

pytestmark = pytest.mark.unit
HTTP = ("http", "TCP", 80)
NETWORK = network_of(
    2, pod("a", 1, 2), service("web", "10.96.0.10", HTTP), endpoint_slice("web", [endpoint("10.244.1.2")], HTTP)
)
WANTED = NETWORK.desired.wanted(1)
ENCODER = Encoder(framework.load("os-ken").protocol)
EXPERIMENTER, FLOW_MOD, GROUP_MOD, MULTIPART_REQUEST, METER_MOD, BUNDLE_CONTROL, BUNDLE_ADD = 4, 14, 15, 18, 29, 33, 34
READ = [METER_MOD, MULTIPART_REQUEST, MULTIPART_REQUEST]


class Wire:
    """Collects messages as (type, xid, type inside a bundle's message)."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, int]] = []

    def send(self, buf: bytes) -> None:
        while buf:
            _, kind, length, xid = struct.unpack_from("!BBHI", buf)
            self.messages.append((kind, xid, buf[17] if kind == BUNDLE_ADD else 0))
            buf = buf[length:]

    def take(self) -> list[tuple[int, int, int]]:
        taken, self.messages = self.messages, []
        return taken


def switch(wanted: Rules = WANTED) -> tuple[SwitchSync, Wire]:
    wire = Wire()
    return SwitchSync(1, wire, ENCODER, lambda: wanted, Counters()), wire


def answer(sync: SwitchSync, held: Rules) -> None:
    """The switch tells what it holds, its flows in two parts."""
    flows = [SimpleNamespace(table_id=table, cookie=cookie) for table, cookie in held.flows]
    sync.took_flows(SimpleNamespace(body=flows[:3]), more=True)
    sync.took_flows(SimpleNamespace(body=flows[3:]), more=False)
    groups = [
        SimpleNamespace(
            group_id=number,
            buckets=[SimpleNamespace(actions=[SimpleNamespace(note=list(group.content.to_bytes(8, "big")))])],
        )
        for number, group in held.groups.items()
    ]
    sync.took_groups(SimpleNamespace(body=groups), more=False)
    sync.flush()


def test_a_switch_is_read_first() -> None:
    sync, wire = switch()
    sync.read()
    assert [kind for kind, _, _ in wire.take()] == READ
    sync.change(Change(dict.fromkeys(WANTED.flows)))
    sync.flush()
    assert wire.take() == []


def test_a_switch_that_is_not_read_yet_is_left_alone() -> None:
    sync, wire = switch()
    sync.change(Change(dict.fromkeys(WANTED.flows)))
    sync.flush()
    assert wire.take() == []


def test_nothing_is_sent_to_a_switch_that_holds_everything() -> None:
    sync, wire = switch()
    sync.read()
    wire.take()
    answer(sync, WANTED)
    assert wire.take() == []
    assert sync.state is State.IDLE


def test_an_empty_switch_gets_one_bundle_groups_first() -> None:
    sync, wire = switch()
    sync.read()
    wire.take()
    answer(sync, Rules({}, {}))
    messages = wire.take()
    assert [messages[0][0], messages[-1][0]] == [BUNDLE_CONTROL, BUNDLE_CONTROL]
    inside = [kind for _, _, kind in messages[1:-1]]
    assert inside == [GROUP_MOD] * len(WANTED.groups) + [FLOW_MOD] * len(WANTED.flows)
    assert [xid for _, xid, _ in messages] == list(range(messages[0][1], messages[-1][1] + 1))


def test_groups_go_after_the_flows_that_used_them() -> None:
    sync, wire = switch(Rules({}, {}))
    sync.read()
    wire.take()
    answer(sync, WANTED)
    *messages, commit, forget = wire.take()
    assert [kind for _, _, kind in messages[1:]] == [FLOW_MOD] * len(WANTED.flows) + [GROUP_MOD] * len(WANTED.groups)
    assert [kind for kind, _, _ in (commit, forget)] == [BUNDLE_CONTROL, EXPERIMENTER]


def test_connections_are_forgotten_once_the_flows_are_changed() -> None:
    sync, wire = switch()
    sync.read()
    answer(sync, WANTED)
    wire.take()
    sync.change(Change({next(iter(WANTED.flows)): None}, stale={Stale("10.96.0.10", 53, None): None}))
    sync.flush()
    assert [kind for kind, _, _ in wire.take()][-2:] == [BUNDLE_CONTROL, EXPERIMENTER]
    (again,) = sync.take_forgotten()
    assert sync.take_forgotten() == []
    sync.forget([again])
    assert [kind for kind, _, _ in wire.take()] == [EXPERIMENTER]


def test_a_switch_that_cannot_forget_connections_is_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    sync, wire = switch()
    sync.read()
    answer(sync, WANTED)
    for _ in range(2):
        wire.take()
        sync.change(Change(stale={None: None}))
        sync.flush()
        for kind, xid, _ in wire.take():
            assert kind == EXPERIMENTER
            sync.refused(xid, "OFPET_BAD_REQUEST OFPBRC_BAD_EXPERIMENTER")
    assert caplog.text.count("UDP clients stay") == 1
    assert (sync.state, sync.counters.errors, sync.counters.forgets) == (State.IDLE, 0, False)


def test_changes_gather_while_a_bundle_is_on_its_way() -> None:
    sync, wire = switch()
    sync.read()
    answer(sync, Rules({}, {}))
    wire.take()
    one, other = list(WANTED.flows)[:2]
    sync.change(Change({one: None}))
    sync.flush()
    sync.change(Change({other: None, one: WANTED.flows[one]}))
    sync.flush()
    assert wire.take() == []
    sync.committed()
    sync.flush()
    assert len(wire.take()) == 2 + 1


def test_a_refused_flow_is_named_counted_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    sync, wire = switch()
    sync.read()
    wire.take()
    answer(sync, Rules({}, {}))
    messages = wire.take()
    with caplog.at_level(logging.ERROR):
        sync.refused(messages[-2][1], "OFPET_BAD_ACTION OFPBAC_BAD_LEN")
    (refused,) = [flow for flow in WANTED.flows.values() if flow.text in caplog.text]
    assert refused.owner.subject in caplog.text
    assert (sync.counters.errors, sync.counters.refused) == (1, {refused.id})
    sync.refused(messages[-1][1], "OFPET_BUNDLE_FAILED OFPBFC_MSG_FAILED")
    assert sync.state is State.READING
    wire.take()
    answer(sync, Rules({}, {}))
    assert len(wire.take()) == len(messages) - 1


def test_a_bundle_that_is_refused_for_no_reason_is_not_tried_for_ever() -> None:
    sync, wire = switch()
    sync.read()
    for _ in range(20):
        wire.take()
        answer(sync, Rules({}, {}))
        messages = wire.take()
        if not messages:
            break
        sync.refused(messages[-1][1], "OFPET_BUNDLE_FAILED OFPBFC_UNKNOWN")
    assert wire.take() == []


def test_the_switch_is_read_anew_after_a_bundle_with_errors() -> None:
    sync, wire = switch()
    sync.read()
    answer(sync, Rules({}, {}))
    messages = wire.take()
    sync.refused(messages[-2][1], "OFPET_BAD_MATCH OFPBMC_BAD_PREREQ")
    wire.take()
    sync.committed()
    assert [kind for kind, _, _ in wire.take()] == READ


def test_what_no_message_can_say_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    wrong = Owner(Feature.HOST_PORTS, "Pod default/odd").flow(ROUTING, Priority.NORMAL, {"ipv4_dst": "nonsense"})
    sync, wire = switch(Rules({wrong.id: wrong, **WANTED.flows}, WANTED.groups))
    sync.read()
    wire.take()
    answer(sync, Rules({}, {}))
    assert len([kind for _, _, kind in wire.take() if kind == FLOW_MOD]) == len(WANTED.flows)
    assert "cannot be said in OpenFlow" in caplog.text and "Pod default/odd" in caplog.text
    assert sync.counters.refused == {wrong.id}


def test_what_is_open_is_judged_anew_once_the_datapath_goes_by_the_new_verdicts() -> None:
    """And once after a switch has been read: nobody may have done so after the last change."""
    forgetting: list[Callable[[], None]] = []
    memory: Any = SimpleNamespace(forget=forgetting.append, forget_soon=lambda: None)
    judged: list[float] = []
    sync = SwitchSync(1, Wire(), ENCODER, lambda: WANTED, Counters(), memory=memory, rejudge=judged.append)
    closed = Owner(Feature.ISOLATION, "Pod default/a").flow(
        INGRESS_DEFAULT, Priority.NORMAL, {"ipv4_dst": "10.244.1.2"}
    )
    way = next(flow for flow in WANTED.flows.values() if flow.owner.feature is Feature.CONNTRACK)
    sync.read()
    assert judged == []
    answer(sync, WANTED)
    sync.flush()
    assert judged == [LATER_S]
    sync.change(Change({closed.id: closed}))
    sync.flush()
    sync.committed()
    assert judged == [LATER_S]
    forgetting.pop()()
    assert judged == [LATER_S, AT_ONCE_S]
    for change, expected in (({way.id: None}, 2), ({closed.id: None}, 3)):
        sync.change(Change(dict(change)))
        sync.flush()
        sync.committed()
        assert len(judged) == expected
    assert judged[-1] == LATER_S
