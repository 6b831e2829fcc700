"""Watches: what a selection sees of each write, from where, and how a stream ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from api_world import World, pod

from k8sshim.server.resources import PODS
from k8sshim.server.selection import parse
from k8sshim.server.watch import MAX_QUEUED, Watch, WatchOptions

pytestmark = pytest.mark.unit


class Watcher:
    """A watch of pods that is read step by step."""

    def __init__(self, world: World, options: WatchOptions, **query: str) -> None:
        selection = parse(PODS, "", "", query)
        self.watch = Watch(world.store, PODS, selection, options, lambda record: record.body)
        self.lines = self.watch.lines()

    async def next(self) -> list[tuple[str, str, str]]:
        """The next chunk: type, name and resourceVersion of each event."""
        chunk = await asyncio.wait_for(anext(self.lines), 5)
        events = [json.loads(line) for line in chunk.splitlines()]
        return [
            (e["type"], e["object"]["metadata"].get("name", ""), e["object"]["metadata"].get("resourceVersion", ""))
            for e in events
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def labelled(name: str, **labels: str) -> dict[str, Any]:
    raw = pod(name)
    raw["metadata"]["labels"] = labels
    return raw


def test_a_watch_without_a_version_begins_with_what_there_is(world: World) -> None:
    async def scenario() -> None:
        world.create("Pod", pod("a"))
        watcher = Watcher(world, WatchOptions())
        assert await watcher.next() == [("ADDED", "a", "2")]
        world.create("Pod", pod("b"))
        world.delete("Pod", "a")
        assert await watcher.next() == [("ADDED", "b", "3"), ("DELETED", "a", "4")]

    asyncio.run(scenario())


def test_a_watch_from_a_version_replays_what_came_after_it(world: World) -> None:
    async def scenario() -> None:
        world.create("Pod", pod("a"))
        version = str(world.store.version)
        world.create("Pod", pod("b"))
        world.patch("Pod", "a", {"metadata": {"labels": {"x": "y"}}})
        world.create("ConfigMap", {"metadata": {"name": "c"}})
        watcher = Watcher(world, WatchOptions(version=version))
        assert await watcher.next() == [("ADDED", "b", "3"), ("MODIFIED", "a", "4")]

    asyncio.run(scenario())


def test_an_object_comes_into_a_selection_and_leaves_it_by_being_changed(world: World) -> None:
    async def scenario() -> None:
        watcher = Watcher(world, WatchOptions(version=str(world.store.version)), labelSelector="app=web")
        world.create("Pod", labelled("a", app="other"))
        world.patch("Pod", "a", {"metadata": {"labels": {"app": "web"}}})
        world.patch("Pod", "a", {"metadata": {"labels": {"more": "x"}}})
        world.patch("Pod", "a", {"metadata": {"labels": {"app": "other"}}})
        world.delete("Pod", "a")
        assert await watcher.next() == [("ADDED", "a", "3"), ("MODIFIED", "a", "4"), ("DELETED", "a", "5")]

    asyncio.run(scenario())


def test_what_the_history_has_lost_is_gone(world: World) -> None:
    async def scenario() -> None:
        world.create("Pod", pod("a"))
        world.create("Pod", pod("b"))
        world.store.compact(1)
        watcher = Watcher(world, WatchOptions(version="1"))
        line = json.loads(await anext(watcher.lines))
        assert (line["type"], line["object"]["code"], line["object"]["reason"]) == ("ERROR", 410, "Expired")
        world.create("Pod", pod("c"))  # before the connection hears that it has ended
        with pytest.raises(StopAsyncIteration):
            await anext(watcher.lines)

    asyncio.run(scenario())


def test_initial_events_end_with_a_bookmark_that_says_so(world: World) -> None:
    async def scenario() -> None:
        world.create("Pod", pod("a"))
        watcher = Watcher(world, WatchOptions(initial_events=True, bookmarks=True))
        chunk = (await anext(watcher.lines)).splitlines()
        mark = json.loads(chunk[1])
        assert json.loads(chunk[0])["type"] == "ADDED"
        assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "Pod")
        assert mark["object"]["metadata"] == {
            "resourceVersion": "2",
            "annotations": {"k8s.io/initial-events-end": "true"},
        }

    asyncio.run(scenario())


def test_a_watch_ends_by_its_timeout_and_leaves_the_store(world: World) -> None:
    async def scenario() -> None:
        watcher = Watcher(world, WatchOptions(timeout_s=0.01))
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(watcher.lines), 5)
        world.create("Pod", pod("a"))
        assert not watcher.watch.queued

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_cut_off(world: World) -> None:
    async def scenario() -> None:
        watcher = Watcher(world, WatchOptions())
        world.create("Pod", pod("a"))
        await watcher.next()
        watcher.watch.queued.extend([b"{}\n"] * MAX_QUEUED)
        world.create("Pod", pod("b"))
        world.create("Pod", pod("c"))  # of which it would hear without what came before
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(watcher.lines), 5)

    asyncio.run(scenario())
