"""Random interleavings of writers and watchers: whoever replays a watch has the list, whatever happened on the way.

Watchers begin with a list (in pages, between which others write), with the events of what there is, or at any version
of the past; they are broken off in the middle, wait, come back at the last version they saw, and list again where the
history has lost it. The server forgets history and is begun anew. What each is told is compared, event by event, with
the log of what the writers were answered.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from api_world import NOW, World, pod, target
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from starlette.responses import Response, StreamingResponse
from watchers import Asked, Clock, Log, Place, Stream, place_of, version_of

from k8sshim.objects import Raw
from k8sshim.server.lifecycle import DeleteOptions
from k8sshim.server.patches import merge_patch
from k8sshim.server.reads import Reader
from k8sshim.server.requests import ReadRequest
from k8sshim.server.status import ApiError

CASES = 300 if os.environ.get("CI") else 100
STEPS = 50
NAMESPACES = ("default", "other")
places = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from("abc"))
labels = st.fixed_dictionaries(
    {}, optional={"app": st.sampled_from(("web", "db")), "tier": st.sampled_from(("x", "y"))}
)
phases = st.sampled_from(("Pending", "Running", "Failed"))
writes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("create", "patch")), places, labels),
        st.tuples(st.just("report"), places, phases),
        st.tuples(st.just("delete"), places, st.just(0)),
    ),
    min_size=1,
    max_size=8,
)
numbers = st.integers(0, 11)


EVERYTHING = Asked("", (), lambda raw: True)


def label(raw: Raw, name: str) -> str | None:
    found: str | None = (raw["metadata"].get("labels") or {}).get(name)
    return found


def phase(raw: Raw) -> str:
    found: str = raw["status"]["phase"]
    return found


SELECTIONS = (
    ({}, lambda raw: True),
    ({"labelSelector": "app=web"}, lambda raw: label(raw, "app") == "web"),
    ({"labelSelector": "app!=web"}, lambda raw: label(raw, "app") != "web"),
    ({"labelSelector": "app in (web,db),tier"}, lambda raw: None not in (label(raw, "app"), label(raw, "tier"))),
    ({"labelSelector": "app notin (web),!tier"}, lambda raw: label(raw, "app") != "web" and label(raw, "tier") is None),
    ({"fieldSelector": "status.phase=Running"}, lambda raw: phase(raw) == "Running"),
    ({"fieldSelector": "metadata.name!=a,status.phase!=Failed"},
     lambda raw: raw["metadata"]["name"] != "a" and phase(raw) != "Failed"),
    ({"fieldSelector": "metadata.name=a", "labelSelector": "tier=x"},
     lambda raw: raw["metadata"]["name"] == "a" and label(raw, "tier") == "x"),
)  # fmt: skip
backs = st.one_of(st.tuples(st.just("now"), st.integers(0, 30)), st.tuples(st.just("horizon"), st.integers(0, 2)))
asked = st.sampled_from(
    [Asked(namespace, tuple(query.items()), means) for namespace in ("", *NAMESPACES) for query, means in SELECTIONS]
)


class Server:
    """The API's halves that read and write, without HTTP."""

    def __init__(self, folder: Path, loop: Clock) -> None:
        self._folder, self._loop = folder, loop
        self.begin()

    def begin(self) -> None:
        self.world = World(self._folder)
        self.reader = Reader(self.world.store, lambda: NOW)

    def begin_anew(self) -> None:
        self.world.store.close()
        self.begin()

    def read(self, one: Asked, **query: object) -> Response:
        words = {**dict(one.query), **{name: str(value) for name, value in query.items()}}
        where = target("Pod", namespace=one.namespace)
        return self.reader.read(where, ReadRequest(words, "application/json"))

    def list(self, one: Asked, **query: object) -> Raw:
        """Raises ApiError."""
        found: Raw = json.loads(bytes(self.read(one, **query).body))
        return found

    def watch(self, one: Asked, **query: object) -> Stream:
        response = self.read(one, watch=1, **query)
        assert isinstance(response, StreamingResponse)
        return Stream(self._loop, aiter(response.body_iterator), self.world.store)  # type: ignore[arg-type]


class Watcher:
    """A client that keeps a selection's state by replaying what it is told."""

    def __init__(self, server: Server, log: Log, one: Asked) -> None:
        self._server, self._log, self._asked = server, log, one
        self.state: dict[Place, Raw] = {}
        self.version: int | None = None  # the last that it saw; None where it has to list
        self._stream: Stream | None = None
        self._initial = self._marked = self._begun = False
        self._pages: list[Raw] = []
        self._next = ""

    @property
    def watching(self) -> bool:
        return self._stream is not None

    def turn_back(self, version: int) -> None:
        """As a client that has not heard of anything since that version."""
        self.break_off(0)
        self.state, self.version = self._log.selected(self._asked, version), version

    def list(self, limit: int = 0) -> bool:
        """The next page; whether it is the last."""
        self.break_off(0)
        words = {"limit": limit} if limit else {}
        try:
            answer = self._server.list(self._asked, **words, **({"continue": self._next} if self._next else {}))
        except ApiError as error:
            assert (error.code, bool(self._next)) == (410, True)
            self._pages, self._next = [], ""
            return False
        self._pages += answer["items"]
        self._next = answer["metadata"].get("continue", "")
        if self._next:
            return False
        self.version = version_of(answer)
        self.state = {place_of(raw): raw for raw in self._pages}
        self._pages = []
        assert self.state == self._log.selected(self._asked, self.version), "a list shows one moment"
        return True

    def watch(self, *, initial: bool, marked: bool, timeout_s: int) -> None:
        """Begin a watch where the last one ended; without a place to begin, with what there is."""
        self.break_off(0)
        self._initial = initial or self.version is None
        self._marked = self._initial and initial and marked
        words: dict[str, object] = {"allowWatchBookmarks": 1} if marked else {}
        words |= {"timeoutSeconds": timeout_s} if timeout_s else {}
        words |= {"sendInitialEvents": 1} if initial else {}
        words |= {} if self._initial else {"resourceVersion": self.version}
        self._stream, self._begun = self._server.watch(self._asked, **words), False
        self._next, self._pages = "", []

    def hear(self, most: int | None = None) -> None:
        """Take what has come, or the first events of it."""
        if self._stream is None:
            return
        events = self._stream.ready()
        if not self._begun:
            self._begun = True
            if self._initial:
                events = self._take_initial(events, most)
            elif self.version is not None and self.version < self._stream.horizon:
                self._be_refused(events)
                return
        expected = list(self._log.told(self._asked, self.version)) if self.version is not None else []
        complete = most is None or most >= len(events)
        for event in events if complete else events[:most]:
            self._take(event, expected)
        assert not complete or not expected or self._stream.ended, f"never told: {expected}"
        if self._stream.ended:
            self._stream = None

    def _take_initial(self, events: list[dict[str, Any]], most: int | None) -> list[dict[str, Any]]:
        """What there is; the rest comes back. A client knows of a version where a bookmark tells it one."""
        assert self._stream is not None
        there = self._log.selected(self._asked, self._stream.began_at)
        count = len(there)
        assert [(each["type"], each["object"]) for each in events[:count]] == [("ADDED", raw) for raw in there.values()]
        rest = events[count:]
        if most is not None and most <= count:  # broken off before it was complete
            self.version = None
            return []
        self.state, self.version = there, self._stream.began_at
        if self._marked:
            mark = rest.pop(0)
            assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert (mark["type"], version_of(mark["object"])) == ("BOOKMARK", self.version)
        return rest

    def _be_refused(self, events: list[dict[str, Any]]) -> None:
        assert [(each["type"], each["object"]["code"]) for each in events] == [("ERROR", 410)]
        assert self._stream is not None and self._stream.ended
        self._stream, self.version = None, None

    def _take(self, event: dict[str, Any], expected: list[Any]) -> None:
        kind, raw = event["type"], event["object"]
        version = version_of(raw)
        assert self.version is not None and version >= self.version, "a version went back"
        if kind == "BOOKMARK":
            assert not expected or expected[0][2] > version, f"a bookmark before {expected[0]}"
        else:
            place = place_of(raw)
            assert (kind, place, version) == (expected.pop(0) if expected else None)
            if kind == "DELETED":
                del self.state[place]
            else:
                self.state[place] = raw
        self.version = version

    def break_off(self, heard: int) -> None:
        """The connection ends in the middle, with some of what was on its way heard."""
        if self._stream is None:
            return
        self.hear(heard)
        if self._stream is not None:
            self._stream.break_off()
            self._stream = None

    def catch_up(self) -> None:
        """As a client does in the end: go on, and list where that cannot be."""
        if not self.watching:
            self.watch(initial=False, marked=False, timeout_s=0)
        self.hear()
        if self.version is None:
            while not self.list():
                pass
        assert self.state == {place_of(raw): raw for raw in self._server.list(self._asked)["items"]}
        self.break_off(0)


class Interleavings(RuleBasedStateMachine):
    """Who does what next is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.loop, self.log = Clock(), Log()
        self.server = Server(Path(self._folder.name), self.loop)
        self.copies: list[Raw] = []  # what writers have read, and may write when it is old
        self.watchers: list[Watcher] = []

    @property
    def writer(self) -> Any:
        return self.server.world.writer

    @initialize(some=st.lists(asked, min_size=2, max_size=4))
    def begin(self, some: list[Asked]) -> None:
        self.server.world.create("Namespace", {"metadata": {"name": "other"}})
        self.first = self.server.reader.version
        self.watchers = [Watcher(self.server, self.log, one) for one in some]
        for name in "abc":
            self.create(("default", name), {"app": "web"})

    def written(self, place: Place, write: Any) -> int:
        """Do it and note it; 0 or the code of its failure."""
        before = self.server.reader.version
        try:
            record = write()
        except ApiError as error:
            assert self.server.reader.version == before, "what fails writes nothing"
            return error.code
        self.server.world.run()
        raw, there = record.decode(), self.log.at().get(place)
        if there is not None and record.version == version_of(there):
            assert raw == there, "what changes nothing writes nothing"
            return 0
        gone = self.server.world.store.by_uid(record.uid) is None
        self.log.note(record.version, place, None if gone else raw)
        return 0

    # Writers

    @rule(writes=writes)
    def write(self, writes: list[tuple[str, Place, Any]]) -> None:
        for kind, place, what in writes:
            {"create": self.create, "patch": self.patch, "report": self.report, "delete": self.delete}[kind](
                place, what
            )

    def create(self, place: Place, labels: dict[str, str]) -> None:
        raw = pod(place[1])
        raw["metadata"]["labels"] = labels
        there = place in self.log.at()
        code = self.written(place, lambda: self.writer.create(target("Pod", namespace=place[0]), raw))
        assert code == (409 if there else 0)

    def patch(self, place: Place, labels: dict[str, str]) -> None:
        self.change(place, {"metadata": {"labels": {"app": None, "tier": None, **labels}}})

    def report(self, place: Place, phase: str) -> None:
        self.change(place, {"status": {"phase": phase}}, "status")

    def delete(self, place: Place, grace_period_s: int) -> None:
        options = DeleteOptions(grace_period_s=grace_period_s)
        there = place in self.log.at()
        code = self.written(place, lambda: self.writer.delete(target("Pod", place[1], place[0]), options))
        assert code == (0 if there else 404)

    def change(self, place: Place, wanted: Raw, subresource: str = "") -> None:
        where, there = target("Pod", place[1], place[0], subresource), place in self.log.at()
        code = self.written(place, lambda: self.writer.patch(where, lambda raw: merge_patch(raw, wanted)))
        assert code == (0 if there else 404)

    @rule(place=places)
    def read(self, place: Place) -> None:
        raw = self.log.at().get(place)
        self.copies += [raw] if raw else []

    @rule(which=numbers, labels=labels)
    def replace(self, which: int, labels: dict[str, str]) -> None:
        """From a copy that may be old: then it is a conflict."""
        if not self.copies:
            return
        copy = self.copies.pop(which % len(self.copies))
        place, there = place_of(copy), self.log.at().get(place_of(copy))
        raw = {**copy, "metadata": {**copy["metadata"], "labels": labels}}
        code = self.written(place, lambda: self.writer.update(target("Pod", place[1], place[0]), raw))
        assert code == (404 if there is None else 409 if version_of(there) != version_of(copy) else 0)

    @rule(number=numbers)
    def write_something_else(self, number: int) -> None:
        raw = {"metadata": {"generateName": "other-"}, "data": {"n": str(number)}}
        self.server.world.create("ConfigMap", raw)

    # The server

    @rule(keep=st.integers(1, 30))
    def forget(self, keep: int) -> None:
        """The history but for about so many of its last writes."""
        self.server.world.store.compact(keep * 2_000)

    @rule()
    def begin_anew(self) -> None:
        for watcher in self.watchers:
            watcher.break_off(0)
        before = self.server.reader.version
        self.server.begin_anew()
        assert self.server.reader.version == before
        self.hear_all_that_is_remembered()

    def hear_all_that_is_remembered(self) -> None:
        watcher = Watcher(self.server, self.log, EVERYTHING)
        watcher.turn_back(self.past(("horizon", 1)))
        watcher.catch_up()

    @rule()
    def a_minute_passes(self) -> None:
        self.loop.now_s += 61
        for watcher in self.watchers:
            watcher.hear()

    # Watchers

    def some(self, which: int) -> Watcher:
        return self.watchers[which % len(self.watchers)]

    @rule(which=numbers, limit=st.integers(0, 2), between=st.lists(writes, max_size=3))
    def list_in_pages(self, which: int, limit: int, between: list[list[tuple[str, Place, Any]]]) -> None:
        """In pages, between which others write."""
        one, between = self.some(which), [*between]
        while not one.list(limit):
            self.write(between.pop(0) if between else [])

    @rule(which=numbers, back=backs)
    def turn_back(self, which: int, back: tuple[str, int]) -> None:
        self.some(which).turn_back(self.past(back))

    def past(self, back: tuple[str, int]) -> int:
        """A version: so many before the newest, or about where the history begins."""
        since, number = back
        store = self.server.world.store
        version = store.version - number if since == "now" else store.horizon + number - 1
        return min(max(self.first, version), store.version)

    @rule(which=numbers, initial=st.booleans(), marked=st.booleans(), timeout_s=st.sampled_from((0, 100)))
    def watch(self, which: int, *, initial: bool, marked: bool, timeout_s: int) -> None:
        self.some(which).watch(initial=initial, marked=marked, timeout_s=timeout_s)

    @rule(which=numbers)
    def hear(self, which: int) -> None:
        self.some(which).hear()

    @rule(which=numbers, heard=st.integers(0, 5))
    def break_off(self, which: int, heard: int) -> None:
        self.some(which).break_off(heard)

    @rule(one=asked, back=backs)
    def look_back(self, one: Asked, back: tuple[str, int]) -> None:
        """A list of the past is the past, or it is gone."""
        version = self.past(back)
        try:
            items = self.server.list(one, resourceVersion=version, resourceVersionMatch="Exact")["items"]
        except ApiError as error:
            assert error.code == 410 and version < self.server.world.store.horizon
            return
        assert version >= self.server.world.store.horizon
        assert items == [*self.log.selected(one, version).values()]

    def teardown(self) -> None:
        try:
            for watcher in self.watchers:
                watcher.catch_up()
        finally:
            self.loop.turn()
            self.loop.close()
            self.server.world.store.close()
            self._folder.cleanup()


Interleavings.TestCase.settings = settings(max_examples=CASES, stateful_step_count=STEPS)
TestInterleavings = pytest.mark.unit(Interleavings.TestCase)
