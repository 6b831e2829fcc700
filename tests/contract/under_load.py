"""Clients of an API server that is killed under them: each knows what it was promised, and holds the server to it."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable
from typing import Any

from api_process import MERGE, ApiProcess

from k8sshim.objects import Raw

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SHARED = "shared"  # the ConfigMap that all writers count in
LAST = "last"  # the ConfigMap whose appearance ends the watchers
_PADDING = 2_000  # words of an object's text, so that log and history are folded up while the test runs
_PATIENCE_S = 120


class Dead(Exception):
    """The server was killed before it answered: what was asked for has happened, or has not."""


class Caller:
    """Requests over one kept connection; after the server's death the next request makes another."""

    def __init__(self, server: ApiProcess) -> None:
        self._connection = server.connection()
        self._connection.timeout = _PATIENCE_S
        self._headers = server.headers()

    def open(self, method: str, path: str, body: Raw | None = None, media: str = "") -> http.client.HTTPResponse:
        """The answer, still to be read. Raises Dead."""
        headers = self._headers | ({"Content-Type": media} if media else {})
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self.dead() from error

    def ask(self, method: str, path: str, body: Raw | None = None, media: str = "") -> tuple[int, Any]:
        """Status code and answer. Raises Dead."""
        response = self.open(method, path, body, media)
        try:
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise self.dead() from error

    def insist(self, path: str) -> Raw:
        """A GET, as often as the server dies of it."""
        while True:
            try:
                code, answer = self.ask("GET", path)
            except Dead:
                continue
            assert code == 200, answer
            found: Raw = answer
            return found

    def dead(self) -> Dead:
        self._connection.close()
        return Dead()


class Client(threading.Thread):
    """A thread whose failure is the test's."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: Exception | AssertionError | None = None

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # told by `end`
            self.failure = error

    def work(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """Raise what has ended it before its time."""
        if self.failure is not None:
            raise AssertionError(f"{self.name}: {self.failure}") from self.failure

    def end(self) -> None:
        """Wait for its end, which must be a good one."""
        self.join(_PATIENCE_S)
        self.check()
        assert not self.is_alive(), f"{self.name} does not end"


class Writer(Client):
    """Creates, replaces, patches and deletes its own objects, and counts in one that all writers share.

    Whenever the server dies, all that it holds of this writer must be as acknowledged; the one write that was not may
    have happened, whole, or not.
    """

    def __init__(self, server: ApiProcess, name: str) -> None:
        super().__init__(name)
        self.versions: list[int] = []  # of its acknowledged writes
        self.deaths = 0
        self._caller = Caller(server)
        self._chance = random.Random(name)
        self._owed: dict[str, Raw] = {}
        self._counted = 0
        self._number = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def work(self) -> None:
        actions: list[Callable[[], None]] = [self._create, self._replace, self._patch, self._delete, self._count]
        while not self._stopping.is_set():
            self._chance.choices(actions, weights=(4, 3, 3, 3, 1))[0]()
        self._verify()

    def _create(self) -> None:
        name = f"{self.name}-{self._number}"
        self._write("POST", CONFIG_MAPS, name, self._object(name))

    def _replace(self) -> None:
        if self._owed:
            name = self._any()
            version = self._owed[name]["metadata"]["resourceVersion"]
            raw = self._object(name)
            raw["metadata"]["resourceVersion"] = version
            self._write("PUT", f"{CONFIG_MAPS}/{name}", name, raw)

    def _patch(self) -> None:
        if self._owed:
            name = self._any()
            self._write("PATCH", f"{CONFIG_MAPS}/{name}", name, self._object(name), MERGE)

    def _delete(self) -> None:
        if self._owed:
            name = self._any()
            self._write("DELETE", f"{CONFIG_MAPS}/{name}", name, None)

    def _any(self) -> str:
        return self._chance.choice(sorted(self._owed))

    def _object(self, name: str) -> Raw:
        self._number += 1  # each wants another state: a write that changes nothing is none
        number = self._number
        labels = {"writer": self.name, "even": str(number % 2 == 0).lower()}
        return {"metadata": {"name": name, "labels": labels}, "data": {"n": str(number), "text": text(number)}}

    def _write(self, method: str, path: str, name: str, wanted: Raw | None, media: str = "") -> None:
        try:
            code, answer = self._caller.ask(method, path, wanted, media)
        except Dead:
            self.deaths += 1
            self._verify(name, wanted)
            return
        assert code in (200, 201), f"{method} {path}: {code} {answer.get('message')}"
        if wanted is None:
            del self._owed[name]  # the answer is a Status, which has no version
            return
        self._acknowledge(answer)
        self._owed[name] = essence(answer)

    def _acknowledge(self, answer: Raw) -> None:
        version = int(answer["metadata"]["resourceVersion"])
        assert not self.versions or version > self.versions[-1], "the version went back"
        self.versions.append(version)

    def _verify(self, doubted: str = "", wanted: Raw | None = None) -> None:
        """Hold what the server has against what it owes; `doubted` may also be as `wanted` in a new version."""
        items = self._caller.insist(f"{CONFIG_MAPS}?labelSelector=writer%3D{self.name}")["items"]
        found = {item["metadata"]["name"]: essence(item) for item in items}
        for name in self._owed.keys() | found.keys():
            now, before = found.get(name), self._owed.get(name)
            happened = name == doubted and self._is(now, wanted)
            assert now == before or happened, f"{name} is {brief(now)}, acknowledged was {brief(before)}"
        self._owed = found
        count = int(self._shared()["data"].get(self.name, "0"))
        assert count == self._counted, f"{self._counted} counted, {count} stored"

    def _is(self, now: Raw | None, wanted: Raw | None) -> bool:
        if now is None or wanted is None:
            return now is wanted
        newest = self.versions[-1] if self.versions else 0
        return now["data"] == wanted["data"] and int(now["metadata"]["resourceVersion"]) > newest

    def _shared(self) -> Raw:
        return self._caller.insist(f"{CONFIG_MAPS}/{SHARED}")

    def _count(self) -> None:
        """One more in what all writers change, so that no one's change is written over by another's."""
        raw = self._shared()
        raw["data"] = {**raw["data"], self.name: str(self._counted + 1)}
        try:
            code, answer = self._caller.ask("PUT", f"{CONFIG_MAPS}/{SHARED}", raw)
        except Dead:
            self.deaths += 1
            stored = int(self._shared()["data"].get(self.name, "0"))
            assert stored in (self._counted, self._counted + 1)
            self._counted = stored
            self._verify()
            return
        assert code in (200, 409), answer
        if code == 200:
            self._counted += 1
            self._acknowledge(answer)


class Watcher(Client):
    """Follows a selection of ConfigMaps from the last version that it saw, until the one named LAST comes."""

    def __init__(self, server: ApiProcess, name: str, selector: str = "") -> None:
        super().__init__(name)
        self.state: dict[str, Raw] = {}
        self.seen: list[int] = []
        self.deaths = 0
        self.listed: list[range] = []  # versions that a list told of: the first, and what the history had lost
        self._selector = selector
        self._caller = Caller(server)
        self._version = 0

    def work(self) -> None:
        self._list()
        while LAST not in self.state:
            try:
                self._follow()
            except Dead:
                self.deaths += 1

    def _list(self) -> None:
        answer = self._caller.insist(f"{CONFIG_MAPS}?labelSelector={self._selector}")
        self.state = {item["metadata"]["name"]: essence(item) for item in answer["items"]}
        since = self._version
        self._go_to(int(answer["metadata"]["resourceVersion"]))
        self.listed.append(range(since, self._version + 1))

    def _follow(self) -> None:
        query = f"watch=1&allowWatchBookmarks=1&resourceVersion={self._version}&labelSelector={self._selector}"
        response = self._caller.open("GET", f"{CONFIG_MAPS}?{query}")
        assert response.status == 200, response.read()
        try:
            for line in response:
                if not line.endswith(b"\n"):
                    raise self._caller.dead()
                if not self._take(json.loads(line)):
                    return
        except (OSError, http.client.HTTPException) as error:
            raise self._caller.dead() from error

    def _take(self, event: Raw) -> bool:
        """Whether the watch goes on."""
        kind, raw = event["type"], event["object"]
        if kind == "ERROR":
            assert raw["code"] == 410, raw
            self._caller.dead()
            self._list()
            return False
        version, name = int(raw["metadata"]["resourceVersion"]), raw["metadata"].get("name", "")
        if kind == "BOOKMARK":
            self._go_to(version)
            return True
        assert version > self._version, f"{kind} {name} {version} after {self._version}"
        assert (name in self.state) == (kind != "ADDED"), f"{kind} {name}"
        if kind == "DELETED":
            del self.state[name]
        else:
            self.state[name] = essence(raw)
        self.seen.append(version)
        self._go_to(version)
        return name != LAST

    def _go_to(self, version: int) -> None:
        assert version >= self._version, f"version {version} after {self._version}"
        self._version = version


def text(number: int) -> str:
    return f"{number} " * _PADDING


def essence(raw: Raw) -> Raw:
    """An object without the two words that items of lists lack; its parts must belong to one another."""
    if "n" in raw["data"]:
        assert raw["data"]["text"] == text(int(raw["data"]["n"])), f"{raw['metadata']['name']} is half of two versions"
    return {"metadata": raw["metadata"], "data": raw["data"]}


def brief(raw: Raw | None) -> str:
    return f"n={raw['data']['n']} in version {raw['metadata']['resourceVersion']}" if raw else "absent"
