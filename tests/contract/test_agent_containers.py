"""Containers of a pod: their order, their restarts, and how a pod ends, against fakes of machine and API."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_world import AgentWorld, play, until

pytestmark = pytest.mark.contract


def test_init_containers_run_one_after_another_to_success(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web", initContainers=[{"name": "one"}, {"name": "two"}])
        await until(lambda: world.containers.names() == ["one"])
        world.containers.running("one").end(1)
        await until(lambda: world.containers.names() == ["one", "one"])
        await until(lambda: world.status("web").get("initContainerStatuses"))
        assert world.status("web")["phase"] == "Pending"
        world.containers.running("one").end(0)
        await until(lambda: world.containers.names() == ["one", "one", "two"])
        world.containers.running("two").end(0)
        await until(lambda: world.status("web").get("phase") == "Running")
        first, second = world.status("web")["initContainerStatuses"]
        assert (first["restartCount"], second["restartCount"]) == (1, 0)
        assert first["state"]["terminated"]["reason"] == "Completed"

    play(tmp_path, scene)


def test_a_failed_init_container_fails_a_pod_that_never_restarts(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("job", initContainers=[{"name": "one"}], restartPolicy="Never")
        await until(lambda: world.containers.started)
        world.containers.running("one").end(1)
        await until(lambda: world.status("job").get("phase") == "Failed")
        assert world.containers.names() == ["one"]

    play(tmp_path, scene)


def test_sidecars_start_before_and_stop_after_the_containers(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("job", initContainers=[{"name": "proxy", "restartPolicy": "Always"}], restartPolicy="Never")
        await until(lambda: world.containers.names() == ["proxy", "main"])
        world.containers.running("main").end(0)
        await until(lambda: world.status("job").get("phase") == "Succeeded")
        assert world.containers.running("proxy").exited.done()

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")],
)
def test_a_finished_pod_stays_as_an_object_and_leaves_the_network(
    tmp_path: Path, policy: str, code: int, phase: str
) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("job", restartPolicy=policy)
        await until(lambda: world.status("job").get("phase") == "Running")
        world.containers.running("main").end(code)
        await until(lambda: world.status("job").get("phase") == phase)
        await until(lambda: not world.ports() and not world.pod_namespaces())
        assert world.container("job")["state"]["terminated"]["exitCode"] == code
        assert world.status("job")["podIP"] == "10.244.0.2"
        world.delete("job", 30)
        await until(lambda: not world.api.pods)

    play(tmp_path, scene)


def test_a_container_that_ends_is_started_again_and_counted(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web")
        for count in range(1, 4):
            await until(lambda count=count: len(world.containers.started) == count)
            world.containers.running("main").end(7)
        await until(lambda: world.container("web").get("restartCount") == 3 and world.container("web")["ready"])
        assert world.container("web")["lastState"]["terminated"]["exitCode"] == 7

    play(tmp_path, scene)


def test_a_container_that_cannot_start_says_why_and_keeps_trying(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.containers.refuse["main"] = "port 80/TCP is already bound by container other of this pod"
        world.pod("web", containers=[{"name": "main"}, {"name": "other"}], restartPolicy="Never")
        await until(lambda: world.container("web").get("state", {}).get("terminated"))
        assert world.container("web")["state"]["terminated"]["reason"] == "StartError"
        assert "already bound by container other" in world.container("web")["state"]["terminated"]["message"]
        world.containers.running("other").end(0)
        await until(lambda: world.status("web").get("phase") == "Failed")

    play(tmp_path, scene)


def test_the_other_containers_of_a_pod_live_on(tmp_path: Path) -> None:
    async def scene(world: AgentWorld) -> None:
        world.pod("web", containers=[{"name": "a"}, {"name": "b"}])
        await until(lambda: world.status("web").get("phase") == "Running")
        world.containers.running("a").end(1)
        await until(lambda: world.containers.names() == ["a", "b", "a"])
        assert not world.containers.running("b").exited.done()

    play(tmp_path, scene)


@pytest.mark.parametrize("policy", ["Always", "Never"])
def test_a_container_whose_image_changes_is_started_again_at_once(tmp_path: Path, policy: str) -> None:
    """ "Restart regardless of the restart policy because the container spec changed" (`computePodActions`)."""

    async def scene(world: AgentWorld) -> None:
        world.pod("web", containers=[{"name": "main", "image": "x:1"}, {"name": "other"}], restartPolicy=policy)
        await until(lambda: world.status("web").get("phase") == "Running")
        world.change("web", containers=[{"name": "main", "image": "x:2"}, {"name": "other"}])
        await until(lambda: world.containers.names() == ["main", "other", "main"])
        await until(lambda: world.container("web")["restartCount"] == 1 and world.container("web")["ready"])
        assert world.container("web")["image"] == "x:2"
        assert world.status("web")["containerStatuses"][1]["restartCount"] == 0

    play(tmp_path, scene)
