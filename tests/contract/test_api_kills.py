"""The API server killed again and again under writers and watchers: `PODWIRE_KILLS` times (the full proof is 200)."""

from __future__ import annotations

import os
import random
import time

import pytest
from api_process import ApiProcess, wait_until
from under_load import CONFIG_MAPS, LAST, SHARED, Watcher, Writer, essence

from k8sshim.client import CONFIG_MAPS as RESOURCE
from k8sshim.client import Client, Event, Informer
from k8sshim.objects import Raw

pytestmark = pytest.mark.contract

KILLS = int(os.environ.get("PODWIRE_KILLS", "20"))
EVEN = "even%3Dtrue"
WRITES_BETWEEN = 10  # of each writer, at least
_WHILE_STARTING = 4  # every fourth kill strikes a server that is coming up


def stored(server: ApiProcess, selector: str = "") -> dict[str, Raw]:
    items = server.ok("GET", f"{CONFIG_MAPS}?labelSelector={selector}")["items"]
    return {item["metadata"]["name"]: essence(item) for item in items}


def kill_under_load(server: ApiProcess, writers: list[Writer], chance: random.Random) -> None:
    for turn in range(KILLS):
        if turn % _WHILE_STARTING == _WHILE_STARTING - 1:
            time.sleep(chance.uniform(0, 1))
        else:
            wait_for_writes(writers)
            time.sleep(chance.uniform(0, 0.05))
        server.kill()
        server.launch()
    wait_for_writes(writers)


def wait_for_writes(writers: list[Writer]) -> None:
    goals = {writer: len(writer.versions) + WRITES_BETWEEN for writer in writers}

    def reached() -> bool:
        for writer in writers:
            writer.check()
        return all(len(writer.versions) >= goal for writer, goal in goals.items())

    wait_until(reached, 120)


def test_no_acknowledged_write_is_lost_and_no_watch_misses_one_by_kill_9(api_server: ApiProcess) -> None:
    api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": SHARED}, "data": {}})
    writers = [Writer(api_server, f"w{number}") for number in range(4)]
    watchers = [Watcher(api_server, "all"), Watcher(api_server, "even", EVEN)]
    informer = Informer(Client(api_server.kubeconfig), RESOURCE, _heard, namespace="default")
    informer.start()
    for one in (*watchers, *writers):
        one.start()
    kill_under_load(api_server, writers, random.Random(KILLS))
    for writer in writers:
        writer.stop()
    for writer in writers:
        writer.end()
    api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": LAST, "labels": {"even": "true"}}, "data": {}})
    for watcher in watchers:
        watcher.end()

    everything, even = watchers
    assert everything.state == stored(api_server)
    assert even.state == stored(api_server, EVEN)
    wait_until(lambda: {key.name: essence(raw) for key, raw in [*informer.cache.items()]} == everything.state, 60)
    informer.stop()
    told = {*everything.seen, *(version for versions in everything.listed for version in versions)}
    written = [version for writer in writers for version in writer.versions]
    assert len(written) == len({*written}), "a version was given twice"
    assert told >= {*written}, "a write was acknowledged and never told"
    assert all(one.deaths for one in (*writers, *watchers)), "each of them lived through kills"
    print(f"{KILLS} kills; {figures(writers, everything)}")


def figures(writers: list[Writer], watcher: Watcher) -> str:
    written, cut_off = sum(len(one.versions) for one in writers), sum(one.deaths for one in writers)
    relisted = len(watcher.listed) - 1
    told = f"{len(watcher.seen)} events, watches begun again {watcher.deaths} times and by a list {relisted} times"
    return f"{written} acknowledged creations and changes, {cut_off} writes cut off, {told}"


def _heard(event: Event) -> None:
    """The informer's cache is what the test looks at."""
