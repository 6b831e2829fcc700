"""The store: versions, indexes, history, and what a reopened file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8sshim.errors import BadInput
from k8sshim.objects import Key
from k8sshim.records import Event
from k8sshim.store import ALL, Compacted, Store

pytestmark = pytest.mark.unit


def open_store(path: Path, **options: Any) -> Store:
    return Store.open(path / "store.sqlite", lambda resource, raw: {"kind": raw.get("kind", "")}, **options)


def pod(name: str, uid: str = "", owners: tuple[str, ...] = (), **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "uid": uid or f"uid-{name}", "labels": labels}
    if owners:
        metadata["ownerReferences"] = [{"uid": owner} for owner in owners]
    return {"kind": "Pod", "metadata": metadata}


def seen(events: list[Event]) -> list[tuple[str, int, bool]]:
    return [(event.record.key.name, event.record.version, event.deleted) for event in events]


def test_every_write_has_the_next_version_and_carries_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first, second = store.put("pods", pod("a")), store.put("nodes", pod("b"))
    assert (first.version, second.version, store.version) == (1, 2, 2)
    assert second.decode()["metadata"]["resourceVersion"] == "2"


def test_records_come_by_namespace_and_name(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
        store.put("pods", {"metadata": {"name": name, "namespace": namespace, "uid": name}})
    assert [str(record.key) for record in store.records("pods")] == ["a/y", "a/z", "b/x"]
    assert [str(record.key) for record in store.records("pods", "b")] == ["b/x"]
    assert {record.key.name for record in store.in_namespace("a")} == {"y", "z"}


def test_a_record_does_not_follow_later_changes_of_the_object_given(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    raw = pod("a", app="web")
    record = store.put("pods", raw)
    raw["metadata"]["labels"]["app"] = "other"
    assert record.labels == {"app": "web"}
    assert record.decode()["metadata"]["labels"] == {"app": "web"}


def test_an_owner_that_is_named_twice_is_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    record = store.put("pods", pod("a", owners=("u1", "u1")))
    assert [one.key.name for one in store.dependants("u1")] == ["a"]
    store.remove(record)
    assert store.dependants("u1") == [] and store.get("pods", record.key) is None


def test_dependants_follow_owner_references(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("pods", pod("a", owners=("u1", "u2")))
    store.put("pods", pod("b", owners=("u1",)))
    assert [record.key.name for record in store.dependants("u1")] == ["a", "b"]
    changed = store.put("pods", pod("a", owners=("u2",)))
    assert [record.key.name for record in store.dependants("u1")] == ["b"]
    store.remove(changed)
    assert store.dependants("u2") == []


def test_listeners_hear_of_their_resource_until_they_leave(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    heard: list[Event] = []
    everything: list[Event] = []
    leave = store.subscribe("pods", heard.append)
    store.subscribe(ALL, everything.append)
    store.remove(store.put("pods", pod("a")))
    store.put("nodes", pod("n"))
    leave()
    store.put("pods", pod("b"))
    assert seen(heard) == [("a", 1, False), ("a", 2, True)]
    assert [event.record.version for event in everything] == [1, 2, 3, 4]


def test_events_after_a_version_know_what_was_before(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("pods", pod("a", app="old"))
    store.put("pods", pod("a", app="new"))
    [event] = store.events_after(1)
    assert event.previous is not None
    assert (event.previous.labels, event.record.labels) == ({"app": "old"}, {"app": "new"})
    assert store.events_after(2) == []


def test_a_reopened_store_has_objects_history_and_version(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("pods", pod("a", app="one"))
    store.put("pods", pod("a", owners=("u1",), app="two"))
    store.remove(store.put("pods", pod("b")))
    store.close()
    again = open_store(tmp_path)
    assert [record.key.name for record in again.records("pods")] == ["a"]
    assert [record.key.name for record in again.dependants("u1")] == ["a"]
    assert again.version == 4
    assert seen(again.events_after(0)) == [("a", 1, False), ("a", 2, False), ("b", 3, False), ("b", 4, True)]
    assert again.put("pods", pod("c")).version == 5


def test_compaction_forgets_history_and_keeps_objects(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("pods", pod("kept"))
    for number in range(5):
        store.put("pods", pod("a", n=str(number)))
    store.remove(store.put("pods", pod("gone")))
    store.compact(1)
    assert store.horizon == 7
    with pytest.raises(Compacted, match="too old resource version: 6"):
        store.events_after(6)
    store.close()
    again = open_store(tmp_path)
    assert (again.version, again.horizon) == (8, 7)
    assert [record.labels for record in again.records("pods")] == [{"n": "4"}, {}]
    assert again.get("pods", Key("default", "kept")) is not None
    with pytest.raises(Compacted):
        again.events_after(6)


def test_compaction_keeps_what_the_remaining_history_refers_to(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(6):
        store.put("pods", pod("a", n=str(number)))
    store.compact(3 * 1200)
    horizon = store.horizon
    assert 0 < horizon < 6
    store.close()
    [first, *_] = open_store(tmp_path).events_after(horizon)
    assert first.previous is not None
    assert first.previous.labels == {"n": str(horizon - 1)}


def test_history_is_compacted_when_it_outgrows_its_budget(tmp_path: Path) -> None:
    store = open_store(tmp_path, history_bytes=20_000)
    for number in range(100):
        store.put("pods", pod("a", n=str(number)))
    assert store.horizon > 50
    assert len(store.events_after(store.horizon)) < 20


def test_a_file_that_is_no_store_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("no database" * 100)
    with pytest.raises(BadInput, match=r"store\.sqlite: cannot be used as a store: file is not a database"):
        open_store(tmp_path)


def test_a_store_belongs_to_one_server(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("pods", pod("a"))
    with pytest.raises(BadInput, match="database is locked"):
        Store.open(tmp_path / "store.sqlite", lambda resource, raw: {}, timeout_s=0)
