"""Whether switches do what the objects mean: the way to wait for anything that is told to the controller."""

from __future__ import annotations

import re
import time

from handmade import Handmade

from controller.desired import Desired
from controller.watch import KINDS
from k8sshim.objects import Key
from lab.waiting import wait_until

COOKIE = re.compile(r"^ *cookie=0x([0-9a-f]+)", re.MULTILINE)  # not of what a flow would learn
LIMIT_S = 120


def in_force(lab: Handmade, *, learned: bool = False) -> float:
    """Wait until every switch holds what it shall; how long that took, in seconds.

    Where switches may have `learned` of clients that stay with their endpoints, they hold more.
    """
    began, desired, switches = time.monotonic(), Desired(), {}
    for raw in lab.api.everything():
        desired.put(raw["kind"], Key.of(raw), KINDS[raw["kind"]][1](raw))
        if raw["kind"] == "Cluster":
            switches = {one["name"]: one["dpid"] for one in raw["status"]["switches"]}
    wanted = {name: {flow.cookie for flow in desired.wanted(dpid).flows.values()} for name, dpid in switches.items()}

    def holds(name: str) -> bool:
        cookies = held(lab, name)
        return cookies >= wanted[name] if learned else cookies == wanted[name]

    assert wait_until(lambda: all(map(holds, wanted)), LIMIT_S), "not in force"
    return time.monotonic() - began


def held(lab: Handmade, bridge: str) -> set[int]:
    return {int(number, 16) for number in COOKIE.findall(lab.ofctl("dump-flows", bridge))}
