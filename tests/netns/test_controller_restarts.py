"""The controller goes and comes back: traffic goes on, and only differences are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from handmade import Handmade
from talk import STAY, ask, with_servers

from controller.tables import ROUTING
from lab.waiting import wait_until

pytestmark = pytest.mark.netns
WEB, PORTS = "10.96.0.10", {80: "TCP"}


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Two nodes, a pod each and a client; a Service on the first pod."""
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2).begun(request)
    for name, node, number in (("a", 1, 2), ("b", 2, 2), ("client", 1, 3)):
        handmade.pod(name, node, number)
    handmade.service("web", WEB, PORTS, [(handmade.hosts["a"].address, 8080)])
    handmade.programmed()
    with with_servers(handmade, "a", "b"):
        assert wait_until(lambda: ask(handmade.hosts["client"], "TCP", WEB, 80)[0] == "a", 10)
        yield handmade


def changes(lab: Handmade) -> dict[str, int]:
    """What each switch said it lacked when it was last read."""
    return {
        name: int(number)
        for name, number in re.findall(r"(switch \w+): holds .*, (\d+) to change", lab.log.read_text())
    }


def restart(lab: Handmade) -> None:
    """A new process, that has read every switch."""
    lab.stop_controller()
    lab.log.unlink()
    lab.start_controller()
    assert wait_until(lambda: lab.log.exists() and len(changes(lab)) == len(lab.bridges()), 20)


def test_traffic_goes_on_without_the_controller(lab: Handmade) -> None:
    lab.stop_controller()
    client = lab.hosts["client"]
    assert client.reaches(lab.hosts["b"].address)
    assert ask(client, "TCP", WEB, 80) == ("a", client.address)


def test_nothing_is_sent_when_nothing_has_changed(lab: Handmade) -> None:
    before = lab.held()
    watch = lab.snoop("b1")
    try:
        restart(lab)
    finally:
        watch.terminate()
    seen = watch.communicate()[0]
    assert "OFPST_FLOW reply" in seen
    assert not re.search(r"OFPT_(FLOW_MOD|GROUP_MOD|BUNDLE)", seen)
    assert set(changes(lab).values()) == {0}
    assert lab.held() == before


def test_only_the_difference_is_sent_and_strays_are_deleted(lab: Handmade) -> None:
    before = lab.held()
    lab.stop_controller()
    lab.ofctl("add-flow", "b1", "cookie=0x77,table=100,priority=9,ip,actions=drop")
    lab.ofctl("del-flows", "b1", f"table={ROUTING.number}")
    lab.ofctl("add-group", "b1", "group_id=5,type=all,bucket=drop")
    lost = before["b1"][0].count(f" table={ROUTING.number},")
    assert lost > 0
    restart(lab)
    assert changes(lab)["switch 0x1"] == lost + 2
    assert changes(lab)["switch 0x2"] == 0
    assert wait_until(lambda: lab.held() == before, 60)


def test_what_changed_meanwhile_is_caught_up_with(lab: Handmade) -> None:
    lab.stop_controller()
    lab.service("web", WEB, PORTS, [(lab.hosts["b"].address, 8080)])
    restart(lab)
    assert wait_until(lambda: ask(lab.hosts["client"], "TCP", WEB, 80)[0] == "b", 10)


def test_established_connections_survive_a_change_of_endpoints_and_a_restart(lab: Handmade) -> None:
    with lab.hosts["client"].python(STAY, WEB, "80") as talk:
        assert talk.stdin is not None
        assert talk.stdout is not None
        assert talk.stdout.readline().startswith("a ")
        lab.service("web", WEB, PORTS, [(lab.hosts["b"].address, 8080)])
        assert wait_until(lambda: ask(lab.hosts["client"], "TCP", WEB, 80)[0] == "b", 10)
        restart(lab)
        talk.stdin.write("more\n")
        talk.stdin.flush()
        assert talk.stdout.readline() == "still here\n"
        talk.stdin.close()


def test_a_switch_that_lost_everything_gets_it_again(lab: Handmade) -> None:
    before = lab.held()
    lab.vsctl("del-controller", "b1")
    lab.ofctl("del-flows", "b1")
    lab.ofctl("del-groups", "b1")
    lab.vsctl("set-controller", "b1", "unix:openflow.sock")
    assert wait_until(lambda: lab.held() == before, 60)
