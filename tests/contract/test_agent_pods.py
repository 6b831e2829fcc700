"""A pod's life on a node: onto the network, through its containers, and away again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agent_world import AgentWorld, play, until

from k8sshim.client import Added
from k8sshim.objects import NODE_NOT_READY, Key, Raw
from topo.ports import OwnPorts

pytestmark = pytest.mark.contract


def test_a_pod_comes_up_and_is_reported_once(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web", 5)
        await until(lambda: world.status("web").get("phase") == "Running")
        assert world.status("web")["podIP"] == "10.244.0.5"
        assert world.container("web")["ready"] is True
        assert list(world.ports().values()) == [21]
        assert world.pod_namespaces() == {"pod-uid-web-5"}
        assert world.api.writes.count(("status", "web")) == 1

    play(tmp_path, scene)


def test_graceful_deletion_waits_for_the_containers(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        await until(lambda: world.status("web").get("phase") == "Running")
        main = world.containers.running("main")
        main.stubborn = True
        world.delete("web", 30)
        await until(lambda: main.stops == [30.0])
        assert world.ports()
        assert ("delete", "web") not in world.api.writes
        main.end(0)
        await until(lambda: not world.api.pods)
        assert (world.ports(), world.pod_namespaces()) == ({}, set())
        assert not list((tmp_path / "pods" / world.node.name).iterdir())

    play(tmp_path, scene)


def test_behind_a_service_the_endpoint_leaves_before_the_containers_hear_of_it(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        service = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}}
        world.catalogue.handle(Added(service))
        for name, number, labels in (("front", 2, {"app": "web"}), ("back", 3, {"app": "db"})):
            world.pod(name, number, labels=labels)
        await until(lambda: all(world.status(name).get("phase") == "Running" for name in ("front", "back")))
        front, back = world.containers.started
        world.delete("back", 3)
        world.delete("front", 3)
        await asyncio.sleep(0.2)
        assert (front.stops, back.stops) == ([], [3.0])
        await until(lambda: front.stops == [1.5])
        await until(lambda: not world.api.pods)

    play(tmp_path, scene)


def test_nothing_starts_before_the_network_delivers_to_the_pod(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.presence.there = False
        world.pod("web", initContainers=[{"name": "first"}])
        waiting = "the node bridge does not deliver to the pod yet"
        await until(lambda: waiting in str(world.container("web")))
        assert not world.containers.started
        world.presence.there = True
        await until(lambda: world.containers.names() == ["first"])

    play(tmp_path, scene)


def test_the_network_goes_after_the_last_words(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        await until(lambda: world.status("web").get("phase") == "Running")
        world.delete("web", 0)
        await until(lambda: not world.api.pods)
        assert world.presence.silenced == ["pod-uid-web-2"]

    play(tmp_path, scene)


def test_host_ports_are_the_nodes_while_their_pod_is_there(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.health_check_ports = [30500]
        world.pod("web", containers=[{"name": "main", "ports": [{"containerPort": 80, "hostPort": 8080}]}])
        mine = OwnPorts(str(world.node.addresses[0]), "TCP", 8080, 8080)
        await until(lambda: mine in world.steered)
        assert any(one.kept and one.first == 30500 for one in world.steered)
        world.delete("web", 0)
        await until(lambda: world.steered and mine not in world.steered)

    play(tmp_path, scene)


def test_a_shorter_grace_period_hurries_a_deletion(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        await until(lambda: world.containers.started)
        await until(lambda: world.status("web").get("phase") == "Running")
        world.containers.running("main").stubborn = True
        world.delete("web", 30)
        world.delete("web", 0)
        await until(lambda: not world.api.pods)
        assert world.containers.running("main").stops == [30.0, 0.0]

    play(tmp_path, scene)


def test_a_pod_that_vanished_is_torn_down_at_once_and_deletes_nothing(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        raw = world.pod("web")
        await until(lambda: world.status("web").get("phase") == "Running")
        world.api.pods.clear()
        world.agent.vanish(raw["metadata"]["uid"])
        await until(lambda: not world.ports() and not world.pod_namespaces())
        assert world.containers.running("main").stops == [0]
        assert ("delete", "web") not in world.api.writes

    play(tmp_path, scene)


def test_a_successor_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web", 2)
        await until(lambda: world.status("web").get("phase") == "Running")
        world.pod("web", 3)  # the first was deleted by force, and the agent has not heard of that yet
        await until(lambda: world.status("web").get("phase") == "Running")
        world.containers.started[0].end(1)  # a reason to report the first again
        world.agent.vanish("uid-web-2")
        await until(lambda: world.pod_namespaces() == {"pod-uid-web-3"})
        assert world.status("web")["podIP"] == "10.244.0.3"
        assert ("delete", "web") not in world.api.writes

    play(tmp_path, scene)


def test_one_pod_that_fails_keeps_nobody_back_and_gets_its_turn_again(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.bridges.bridges[world.node.bridge.name]["squatter"] = 18
        world.pod("unlucky", 2)
        for number in range(3, 9):
            world.pod(f"web{number}", number)
        await until(lambda: all(world.status(f"web{n}").get("phase") == "Running" for n in range(3, 9)))
        await until(lambda: "another port" in str(world.container("unlucky").get("state")))
        assert world.status("unlucky")["phase"] == "Pending"
        assert "podIP" not in world.status("unlucky")
        world.bridges.bridges[world.node.bridge.name].pop("squatter")
        await until(lambda: world.status("unlucky").get("phase") == "Running")

    play(tmp_path, scene)


def test_while_the_api_is_away_pods_live_and_the_latest_is_told_later(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        await until(lambda: world.status("web").get("phase") == "Running")
        world.api.away = True
        for count in range(1, 4):
            world.containers.running("main").end(1)
            await until(lambda count=count: len(world.containers.started) == count + 1)
        world.api.away = False
        await until(lambda: world.container("web").get("restartCount") == 3)
        assert world.container("web")["lastState"]["terminated"]["exitCode"] == 1

    play(tmp_path, scene)


def test_a_deletion_survives_an_absent_api(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        await until(lambda: world.status("web").get("phase") == "Running")
        world.delete("web", 0)
        world.api.away = True
        await until(lambda: not world.ports())
        world.api.away = False
        await until(lambda: not world.api.pods)

    play(tmp_path, scene)


def test_leftovers_of_pods_that_are_gone_are_removed_and_others_adopted(tmp_path: Path) -> None:
    async def first(world: AgentWorld) -> None:
        world.pod("stays", 2)
        world.pod("goes", 3)
        await until(lambda: all(world.status(name).get("phase") == "Running" for name in ("stays", "goes")))
        machine = world.namespaces, world.bridges.bridges
        world.close()  # as if the agent had been killed
        again = AgentWorld(tmp_path)
        again.namespaces.links, again.namespaces._names = machine[0].links, machine[0]._names
        again.bridges.bridges = machine[1]
        world.api.pods = {k: v for k, v in world.api.pods.items() if k.name == "stays"}
        again.api.pods = world.api.pods
        (raw,) = again.api.pods.values()
        again.agent.observe(raw)
        again.agent.tidy()
        await until(lambda: again.pod_namespaces() == {"pod-uid-stays-2"})
        await until(lambda: again.container("stays").get("restartCount") == 1)
        assert list(again.ports().values()) == [18]
        assert again.status("stays")["podIP"] == "10.244.0.2"
        again.close()

    play(tmp_path, first)


def test_host_network_pods_have_the_nodes_address_and_no_wiring(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("host", hostNetwork=True)
        await until(lambda: world.status("host").get("phase") == "Running")
        assert world.status("host")["podIP"] == str(world.node.addresses[0]) == world.status("host")["hostIP"]
        assert (world.ports(), world.pod_namespaces()) == ({}, set())

    play(tmp_path, scene)


def test_a_pod_that_someone_else_failed_is_left_as_it_is(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        raw = world.pod("evicted")
        await until(lambda: world.status("evicted").get("phase") == "Running")
        world.close()
        again = AgentWorld(tmp_path)
        again.api.pods = {Key("default", "evicted"): {**raw, "status": {"phase": "Failed", "reason": "Evicted"}}}
        again.agent.observe(raw | {"status": {"phase": "Failed", "reason": "Evicted"}})
        again.delete("evicted", 0)
        await until(lambda: not again.api.pods)
        assert again.api.writes == [("delete", "evicted")]
        assert again.containers.names() == []
        again.close()

    play(tmp_path, scene)


def test_a_pod_that_is_said_to_be_dead_with_its_node_is_ready_again_once_the_node_is_known_to_live(
    tmp_path: Path,
) -> None:
    """Whoever says so may have missed a renewal that the agent knows nothing of missing."""

    def ready(status: Raw) -> Raw:
        return next((one for one in status.get("conditions") or () if one["type"] == "Ready"), {})

    async def scene(world: AgentWorld) -> None:
        world.pod("doubted")
        await until(lambda: ready(world.status("doubted")).get("status") == "True")
        ready(world.status("doubted")).update(status="False", reason=NODE_NOT_READY)
        world.change("doubted")
        world.agent.said_to_live()
        await until(lambda: ready(world.status("doubted"))["status"] == "True")
        written = len(world.api.writes)
        world.agent.said_to_live()
        await asyncio.sleep(0.05)
        assert len(world.api.writes) == written

    play(tmp_path, scene)
