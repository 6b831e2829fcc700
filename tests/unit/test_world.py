"""What the controllers know: the newest of what was seen and what was written, and nothing that is gone."""

from __future__ import annotations

import pytest

from k8sshim.client import NODES, PODS
from k8sshim.controllers.world import World
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
A = Key("default", "a")
NOW = "2024-05-01T00:00:00Z"


def pod(version: int, uid: str = "1", owner: str = "", **metadata: object) -> Raw:
    owners = {"ownerReferences": [{"uid": owner, "controller": True}]} if owner else {}
    named = {"name": "a", "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": {**named, **owners, **metadata}}


@pytest.fixture
def world() -> World:
    return World([PODS, NODES])


def test_an_answer_counts_as_seen_and_its_event_is_no_news(world: World) -> None:
    change = world.written(PODS, pod(5))
    assert change is not None and (change.old, change.new) == (None, pod(5))
    assert world.observe(PODS, pod(5)) is None
    assert world.get(PODS, A) == pod(5)


def test_an_event_older_than_what_was_written_is_no_news(world: World) -> None:
    world.written(PODS, pod(7))
    assert world.observe(PODS, pod(5)) is None
    assert world.get(PODS, A) == pod(7)


def test_versions_are_numbers_not_text(world: World) -> None:
    world.observe(PODS, pod(9))
    assert world.observe(PODS, pod(10)) is not None


def test_what_is_gone_does_not_come_back_with_a_late_answer(world: World) -> None:
    world.observe(PODS, pod(5))
    change = world.gone(PODS, A, "1")
    assert change is not None and change.new is None
    assert world.written(PODS, pod(5)) is None
    assert world.get(PODS, A) is None


def test_a_successor_of_the_same_name_is_another_object(world: World) -> None:
    world.observe(PODS, pod(5))
    world.gone(PODS, A, "1")
    assert world.observe(PODS, pod(8, uid="2")) is not None
    assert world.gone(PODS, A, "1") is None
    assert world.get(PODS, A) == pod(8, uid="2")


def test_what_was_asked_to_go_looks_so_though_older_events_say_otherwise(world: World) -> None:
    world.observe(PODS, pod(5))
    change = world.deleting(PODS, A, "1", NOW)
    assert change is not None and change.new == pod(5, deletionTimestamp=NOW)
    world.observe(PODS, pod(6))  # the agent's status, written before the deletion
    assert world.get(PODS, A) == pod(6, deletionTimestamp=NOW)
    world.observe(PODS, pod(7, deletionTimestamp="2024-05-01T00:00:30Z"))
    assert world.get(PODS, A) == pod(7, deletionTimestamp="2024-05-01T00:00:30Z")


def test_a_deletion_of_a_predecessor_does_not_touch_its_successor(world: World) -> None:
    world.observe(PODS, pod(8, uid="2"))
    assert world.deleting(PODS, A, "1", NOW) is None
    assert world.get(PODS, A) == pod(8, uid="2")


def test_indexes_follow_owners_and_namespaces(world: World) -> None:
    world.observe(PODS, pod(1))
    assert world.unowned(PODS, "default") == [pod(1)]
    world.observe(PODS, pod(2, owner="rs"))
    assert world.unowned(PODS, "default") == [] and world.owned(PODS, "rs") == [pod(2, owner="rs")]
    assert world.all(PODS, "default") == world.all(PODS) == [pod(2, owner="rs")]
    world.gone(PODS, A, "1")
    assert world.owned(PODS, "rs") == world.all(PODS, "default") == world.unowned(PODS, "default") == []


def test_what_no_informer_has_seen_is_known_to_be_unconfirmed(world: World) -> None:
    world.written(PODS, pod(5))
    assert world.unconfirmed() == [(PODS, A)]
    world.observe(PODS, pod(5))
    assert world.unconfirmed() == []


def test_answers_about_what_nobody_follows_are_no_news() -> None:
    assert World([NODES]).written(PODS, pod(1)) is None
