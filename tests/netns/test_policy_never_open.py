"""Never open for a moment: whatever changes, restarts or reconnects, nothing gets through that both sets forbid.

Someone knocks at every pod's doors from every other pod, all the time; what counts is what arrives at the pod. Moments
of one clock tell which sets were, or may still have been, in force while a packet was on its way.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from handmade import Handmade, Host, host_mac, mac
from knocking import DOORS, NAMES
from object_feed import ObjectFeed
from settled import held
from shifting import Objects, Shifting, drawn, guarded, key_of, pairs, steps

from controller.desired import Desired
from controller.watch import KINDS
from experiments.policy.oracle import Oracle, PodPlace
from k8sshim.objects import Key, Raw
from lab.waiting import wait_until

pytestmark = pytest.mark.netns
PODS, WORLDS = 6, 40
RATE, MOST_S = 2000, 240.0  # knocks a second; the knocker ends by itself
CHANGES, RESTARTS, RECONNECTS = 150, 50, 10  # 50 changes more come with the restarts
SETTLE_S = 0.15  # in which the controller has datapaths forget, once the bridges hold what they shall
BRIDGES = (1, 2)
TOGETHER_S = 0.01  # within which the controller is to have heard of a change in one go
Packet = tuple[int, int, str, int, int, float, float]  # from, to, protocol, port, source port, sent and arrived
Way = tuple[object, ...]


class Feed(ObjectFeed):
    """Remembers between when it told of each object last."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: dict[tuple[str, str, str], float] = {}
        self.told: dict[tuple[str, str, str], float] = {}

    def events_after(self, plural: str, version: int) -> tuple[int, list[tuple[str, Raw]]]:
        now, told = super().events_after(plural, version)
        self.begun |= {key_of(raw): time.monotonic() for _, raw in told}
        return now, told

    def wrote(self, told: list[tuple[str, Raw]]) -> None:
        self.told |= {key_of(raw): time.monotonic() for _, raw in told}


@dataclass
class Epoch:
    """A set of objects, and how it came about.

    A change of one object, or of two that the controller heard of together, leads from the set before to this one. Of
    others the API itself has had the sets between, which it is not to blame for.
    """

    objects: Objects
    names: list[tuple[str, str]]
    put_s: float
    between: list[Objects] = field(default_factory=list)
    held_s: float | None = None  # when it was surely in force everywhere; None: it was not waited for

    @cached_property
    def allowed(self) -> set[Way]:
        """What it lets through, or one of the sets on the way to it does."""
        return {way for objects in (self.objects, *self.between) for way in self._ways(objects)}

    def _ways(self, objects: Objects) -> Iterator[Way]:
        oracle = Oracle(objects.values())
        places = [PodPlace(*name) for name in self.names]
        there = [("Pod", *name) in objects for name in self.names]
        for one, other in pairs(len(places)):
            for protocol, port in DOORS:
                both = there[one] and there[other]
                if both and oracle.verdict(places[one], places[other], port, NAMES[protocol]).allowed:
                    yield one, other, NAMES[protocol], port


@dataclass
class Story:
    """The lab, and the sets that it has had."""

    lab: Handmade
    feed: Feed
    shifting: Shifting
    dice: random.Random
    desired: Desired = field(default_factory=Desired)
    epochs: list[Epoch] = field(default_factory=list)

    def put(self, *, heard: bool = True) -> None:
        """Show the set to the controller, in one go."""
        before = self.epochs[-1].objects if self.epochs else {}
        after = self.shifting.objects()
        changes = steps(before, after, self.dice)
        self.epochs.append(Epoch(after, self.shifting.names(), time.monotonic()))
        for (kind, namespace, name), raw in changes:
            if raw is None:
                self.lab.api.delete(kind, name, namespace)
            else:
                self.lab.api.put(raw)
        for (kind, namespace, name), raw in changes:
            self.desired.put(kind, Key(namespace, name), KINDS[kind][1](raw) if raw else None)
        if heard and not self._together([key for key, _ in changes]):
            self.epochs[-1].between = list(accumulated(before, changes))

    def _together(self, keys: Sequence[tuple[str, str, str]]) -> bool:
        """Whether it is one change to whoever hears of it."""
        put = self.epochs[-1].put_s
        if len(keys) <= 1:
            return True
        wait_until(lambda: all(self.feed.told.get(key, 0) >= put for key in keys), 30)
        begun, told = ([moments.get(key, 0.0) for key in keys] for moments in (self.feed.begun, self.feed.told))
        return len(keys) == 2 and max(told) - min(begun) < TOGETHER_S

    def change(self, *, heard: bool = True) -> None:
        self.shifting.shift()
        self.put(heard=heard)

    def wait(self) -> None:
        """Until the set is in force."""
        wanted = {dpid: {flow.cookie for flow in self.desired.wanted(dpid).flows.values()} for dpid in BRIDGES}
        assert wait_until(lambda: all(held(self.lab, f"b{dpid}") == wanted[dpid] for dpid in BRIDGES), 120), (
            "not in force"
        )
        time.sleep(SETTLE_S)
        self.lab.settle()
        self.epochs[-1].held_s = time.monotonic()

    def got_through(self, packets: Sequence[Packet]) -> list[tuple[Packet, int]]:
        """The packets that every set forbids that may have been in force, with the last one's number."""
        found = []
        for packet in packets:
            *way, _, begun, arrived = packet
            first, last = self._first(begun), max(n for n, one in enumerate(self.epochs) if one.put_s <= arrived)
            between = self.epochs[first + 1 : last + 1]
            if tuple(way) not in self.epochs[first].allowed and not any(tuple(way) in one.allowed for one in between):
                found.append((packet, last))
        return found

    def _first(self, moment: float) -> int:
        """The last set that was in force by then for sure."""
        return max((n for n, one in enumerate(self.epochs) if one.held_s and one.held_s <= moment), default=0)

    def strict(self) -> int:
        """How many changes are judged by the sets before and after alone."""
        return sum(not one.between for one in self.epochs[1:])

    def told(self, found: Sequence[tuple[Packet, int]]) -> str:
        """What got through, for whoever reads that it did."""
        lines = []
        for number in sorted({last for _, last in found}):
            one, before = self.epochs[number], self.epochs[number - 1].objects
            some = [(*p[:5], round(p[-1] - one.put_s, 3)) for p, last in found if last == number]
            changed = [key for key in before.keys() | one.objects.keys() if before.get(key) != one.objects.get(key)]
            lines.append(f"set {number}: {some[:5]} got through after {changed}")
        return "\n".join(lines)


def accumulated(before: Objects, changes: Sequence[tuple[tuple[str, str, str], Raw | None]]) -> Iterator[Objects]:
    """The sets on the way."""
    now = dict(before)
    for key, raw in changes[:-1]:
        if raw is None:
            del now[key]
        else:
            now[key] = raw
        yield dict(now)


@pytest.fixture
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    feed = Feed()
    lab = Handmade(tmp_path_factory.mktemp("lab"), 2, api=feed).begun(request)
    hosts = [lab.pod(f"pod-{number}", number % 2 + 1, number + 2) for number in range(PODS)]
    lab.programmed()
    for host in hosts:
        lab.api.delete("Pod", host.name, "default")
    dice = random.Random(4)
    one = Story(lab, feed, Shifting(hosts, dice, drawn(WORLDS, PODS)), dice)
    for raw in lab.api.everything():
        one.desired.put(raw["kind"], Key.of(raw), KINDS[raw["kind"]][1](raw))
    one.put()
    one.wait()
    return one


@contextmanager
def knocking(hosts: Sequence[Host]) -> Iterator[list[Packet]]:
    """Somebody knocks; what has arrived is in the list afterwards."""
    ends = [[one.netns, one.address, host_mac(one.address), mac("0a:77", one.node)] for one in hosts]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("knocking.py"))],
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    arrived: list[Packet] = []
    try:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"ends": ends, "often": guarded(), "rate": RATE, "most_s": MOST_S}) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        yield arrived
        said = json.loads(process.communicate("enough\n", timeout=120)[0])
        print(f"{said['sent']} knocks, {len(said['arrived'])} arrived")
        arrived += [tuple(row) for row in said["arrived"]]
    finally:
        process.kill()
        process.communicate()


def test_nothing_gets_through_while_policies_change(story: Story) -> None:
    with knocking(story.shifting.hosts) as arrived:
        for _ in range(CHANGES):
            story.change()
            story.wait()
    found = story.got_through(arrived)
    print(len(found), "got through;", story.strict(), "of", CHANGES, "changes in one go")
    assert not found, story.told(found)
    assert arrived and story.strict() > 0


def test_nothing_gets_through_while_the_controller_restarts_and_switches_reconnect(story: Story) -> None:
    """Half of the changes come while nobody hears of them, the others while it starts; or before it has started."""
    lab = story.lab
    with knocking(story.shifting.hosts) as arrived:
        for number in range(RESTARTS):
            lab.stop_controller()
            if number % 2:
                story.change(heard=False)
            lab.start_controller()
            time.sleep(story.dice.uniform(0.2, 0.8))
            if number % 2 == 0:
                story.change(heard=False)
            if number % 5 == 4:
                story.wait()
        for number in range(RECONNECTS):
            bridge = f"b{number % 2 + 1}"
            lab.vsctl("del-controller", bridge)
            story.change()
            lab.vsctl("set-controller", bridge, "unix:openflow.sock")
            story.wait()
    found = story.got_through(arrived)
    print(len(found), "got through")
    assert not found, story.told(found)
    assert arrived
