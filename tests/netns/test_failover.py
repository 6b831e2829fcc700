"""Links of a real Open vSwitch die: its groups leave them by themselves, and the controller leads round what is far.

Once with os-ken, and once with Ryu where `PODWIRE_RYU_PYTHON` names a Python that has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from handmade import Handmade

from lab.waiting import wait_until

pytestmark = pytest.mark.netns
RYU = os.environ.get("PODWIRE_RYU_PYTHON", "")
LIMIT_S = 30
UPLINKS = (("leaf1", "spine1"), ("leaf1", "spine2"))


@pytest.fixture(params=["os-ken", "ryu"], scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Four nodes below two leaves and two spines; the first and the last have three pods each."""
    if request.param == "ryu" and not RYU:
        pytest.skip("PODWIRE_RYU_PYTHON names no Python with Ryu 4.34")
    python = RYU if request.param == "ryu" else sys.executable
    folder = tmp_path_factory.mktemp("lab")
    handmade = Handmade(folder, 4, "leaf-spine", python=python, framework=request.param).begun(request)
    for number in range(2, 5):
        handmade.pod(f"a{number}", 1, number)
        handmade.pod(f"z{number}", 4, number)
    handmade.programmed()
    yield handmade


def cut(lab: Handmade, *ends: str) -> None:
    """Take patch ports away: "leaf1-spine1" is the port of leaf1."""
    lab.vsctl(*[word for end in ends for word in ("--", "del-port", end)][1:])


def all_reach_all(lab: Handmade) -> bool:
    """Whether each of the near pods reaches each of the far ones: by whichever way the hash gives them."""
    far = [host.address for name, host in lab.hosts.items() if name.startswith("z")]
    near = [host for name, host in lab.hosts.items() if name.startswith("a")]
    return all(host.pings(address) for host in near for address in far)


def restore(lab: Handmade, here: str, port: int, there: str) -> None:
    lab.vsctl(*lab.patch(here, port, there)[1:])


def test_groups_leave_a_dead_port_with_no_controller_there(lab: Handmade) -> None:
    lab.stop_controller()
    try:
        for number, (leaf, spine) in enumerate(UPLINKS, 1):
            cut(lab, f"{leaf}-{spine}")
            # spines answer by either leaf's port, and nobody has told them
            assert all(_leaves(lab, leaf, number) for _ in range(3))
            restore(lab, leaf, number, spine)
        assert wait_until(lambda: all_reach_all(lab), LIMIT_S)
    finally:
        lab.start_controller()


def _leaves(lab: Handmade, leaf: str, dead: int) -> bool:
    """Whether every near pod's packets leave by the other uplink."""
    other = 3 - dead
    before = _sent(lab, leaf, other)
    pods = [host for name, host in lab.hosts.items() if name.startswith("a")]
    for host in pods:
        host.pings(lab.hosts["z2"].address)
    return wait_until(lambda: _sent(lab, leaf, other) >= before + len(pods), LIMIT_S)


def _sent(lab: Handmade, bridge: str, port: int) -> int:
    shown = lab.ofctl("dump-ports", bridge, str(port))
    return int(shown.split("tx pkts=")[1].split(",")[0])


def test_the_controller_leads_round_what_died_far_away(lab: Handmade) -> None:
    """A spine that does not reach the far leaf has no other way: the near leaf must be told."""
    assert wait_until(lambda: all_reach_all(lab), LIMIT_S)
    before = {bridge: held[1] for bridge, held in lab.held().items()}
    for number, spine in enumerate(("spine1", "spine2"), 1):
        cut(lab, f"{spine}-leaf2", f"leaf2-{spine}")
        assert wait_until(lambda: all_reach_all(lab), LIMIT_S), lab.log.read_text()
        restore(lab, "leaf2", number, spine)
        restore(lab, spine, 2, "leaf2")
    assert wait_until(lambda: {bridge: held[1] for bridge, held in lab.held().items()} == before, LIMIT_S)
    assert wait_until(lambda: all_reach_all(lab), LIMIT_S)


def test_a_controller_that_starts_while_a_link_is_down_does_not_send_by_it(lab: Handmade) -> None:
    assert wait_until(lambda: all_reach_all(lab), LIMIT_S)
    cut(lab, "spine1-leaf2", "leaf2-spine1")
    assert wait_until(lambda: all_reach_all(lab), LIMIT_S)
    groups = lab.held()["leaf1"][1]
    watch = lab.snoop("leaf1")
    read = lab.log.read_text().count("switch 0x10001: holds")
    lab.stop_controller()
    lab.start_controller()
    try:
        assert wait_until(lambda: lab.log.read_text().count("switch 0x10001: holds") > read, LIMIT_S)
        assert wait_until(lambda: all_reach_all(lab), LIMIT_S)
    finally:
        watch.terminate()
    seen = watch.communicate()[0]
    assert "OFPT_GROUP_MOD" not in seen and "OFPT_FLOW_MOD" not in seen
    assert lab.held()["leaf1"][1] == groups
