"""Any component can be killed: it is started again, and the lab goes on."""

from __future__ import annotations

import re
import time

import pytest
from laboratory import RunningLab, deployment

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e

COMPONENTS = {
    "api-server": ("-m", "k8sshim.server"),
    "controllers": ("-m", "k8sshim.controllers"),
    "openflow": ("-m", "controller.app"),
    "agent": ("-m", "topo.agent"),
}
DUMP = "for b in /run/podwire/switchd/*/b*.mgmt; do ovs-ofctl -O OpenFlow14 dump-flows unix:$b | sed s,^,$b,; done"
FLOW = re.compile(r"(.*) cookie=(\S+), duration=([\d.]+)s, (.*?), n_packets=\d+, n_bytes=\d+,(.*)")


def reached(lab: RunningLab, app: str) -> bool:
    """Whether every pod of the Deployment reaches every other one of it."""
    mine = lab.among(app)
    return bool(mine) and all(cell["allowed"] for cell in mine)


def restart(lab: RunningLab, *words: str) -> None:
    """Kill a process of the lab as hard as can be, and wait until there is another."""
    old = lab.process(*words)
    assert old is not None
    old.kill()

    def back() -> bool:
        now = lab.process(*words)
        return now is not None and now.pid != old.pid

    assert wait_until(back, 30), f"{words} is not started again"


def flows(lab: RunningLab) -> dict[str, float]:
    """Every flow of the node bridges without its counters, and for how long it has been there, in seconds."""
    done = lab.exec("node1", "sh", "-c", DUMP)
    assert done.returncode == 0, done.stderr
    return {f"{one[1]} {one[2]} {one[4]} {one[5]}": float(one[3]) for one in FLOW.finditer(done.stdout)}


def test_flows_are_left_as_they_are_when_the_api_server_is_killed(lab: RunningLab) -> None:
    """None is taken away, and none put there anew: all have been there since before."""
    lab.apply(deployment("untouched", 3, (80, "TCP")))
    before = flows(lab)
    began = time.monotonic()
    restart(lab, *COMPONENTS["api-server"])
    lab.apply(deployment("after-the-flows", 1))  # the agent and the controller are back: they had this to do
    passed_s = time.monotonic() - began
    after = flows(lab)
    assert len(before) > 100
    assert {flow: after.get(flow) for flow in before if after.get(flow, 0) < passed_s} == {}
    assert reached(lab, "untouched")


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_killed_component_is_started_again_and_new_pods_come_up(lab: RunningLab, component: str) -> None:
    app = f"after-{component}"
    restart(lab, *COMPONENTS[component])
    lab.apply(deployment(app, 3, (80, "TCP")))
    assert reached(lab, app)
    assert f"{component} ended (killed by SIGKILL)" in (lab.folder / "log" / "supervisor.log").read_text()


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_a_killed_daemon_of_open_vswitch_is_started_again_and_its_flows_come_back(lab: RunningLab, daemon: str) -> None:
    lab.apply(deployment("switched", 3, (80, "TCP")))
    restart(lab, daemon)
    assert wait_until(lambda: reached(lab, "switched"), 60)


def test_the_api_keeps_its_address_and_its_objects_through_a_restart(lab: RunningLab) -> None:
    lab.apply(deployment("kept", 1))
    uid = lab.pods("app=kept")[0]["metadata"]["uid"]
    restart(lab, *COMPONENTS["api-server"])
    assert lab.pods("app=kept")[0]["metadata"]["uid"] == uid
