"""Faults in a lab, by the command: links, partitions, components, pods and a node, each undone again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from laboratory import Laboratory, RunningLab, deployment

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
LIMIT_S = 60
CLUSTER = {
    "apiVersion": "podwire.dev/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "faults"},
    "spec": {
        "nodes": 3,
        "fabric": {"shape": "leaf-spine", "leaves": 2, "spines": 2},
        "links": {"kind": "veth"},
        "failover": {"bfdIntervalMs": 500},
        "nodeLease": {"durationSeconds": 6, "renewSeconds": 1, "evictAfterSeconds": 2},
        "dns": {"replicas": 0},
    },
}


def pod(number: int) -> dict[str, Any]:
    container = {"name": "main", "image": "stand-in", "ports": [{"containerPort": 80}]}
    body = {"nodeName": f"node{number}", "containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}, "spec": body}


@pytest.fixture(scope="module")
def lab(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A pod on each node, and a Deployment behind a Service; node1 and node2 hang on leaf1, node3 on leaf2."""
    cluster = tmp_path_factory.mktemp("faults") / "cluster.yaml"
    cluster.write_text(json.dumps(CLUSTER))
    running = laboratory.up("faults", str(cluster))
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    running.apply(*map(pod, (1, 2, 3)), deployment("web", 3, (80, "TCP")), service)
    yield running
    laboratory.down("faults")


@pytest.fixture(autouse=True)
def healed(lab: RunningLab) -> Iterator[None]:
    yield
    fault(lab, "heal")
    assert wait_until(lambda: answers(lab, "p1", "p3", "p2"), LIMIT_S)


def fault(lab: RunningLab, *arguments: str) -> str:
    return lab.podwire.said("fault", lab.name, *arguments)


def standing(lab: RunningLab) -> list[str]:
    return fault(lab, "ls").splitlines()


def address(lab: RunningLab, name: str) -> str:
    found: str = json.loads(lab.kubectl("get", "pod", name, "-o", "json"))["status"]["podIP"]
    return found


def answers(lab: RunningLab, client: str, *servers: str) -> bool:
    """Whether the client reaches them all, eight times each, from other ports: by each way that there is."""
    return reached(lab, client, [f"http://{address(lab, name)}/" for name in servers])


def silent(lab: RunningLab, client: str, server: str) -> bool:
    """Whether the client gets nothing at all from there."""
    return lab.exec(client, "curl", "-s", "--max-time", "2", f"http://{address(lab, server)}/").returncode == 28


def reached(lab: RunningLab, client: str, urls: list[str]) -> bool:
    options = ("-sf", "--fail-early", "--max-time", "10", "-H", "Connection: close", "-o", "/dev/null")
    asked = [word for url in urls * 8 for word in ("--next", *options, url)]
    return lab.exec(client, "curl", *asked[1:]).returncode == 0


def by_service(lab: RunningLab, client: str) -> bool:
    ip = json.loads(lab.kubectl("get", "service", "web", "-o", "json"))["spec"]["clusterIP"]
    return reached(lab, client, [f"http://{ip}/"])


def eventually(condition: Callable[[], bool]) -> None:
    assert wait_until(condition, LIMIT_S)


@pytest.mark.parametrize(
    ("kind", "link", "opposite"),
    [("link-down", "leaf1:spine1", "link-up"), ("link-silent", "leaf1:spine2", "link-heal")],
)
def test_a_dead_link_is_led_round(lab: RunningLab, kind: str, link: str, opposite: str) -> None:
    """Carrier tells of the one, BFD of the other."""
    fault(lab, kind, ":".join(reversed(link.split(":"))))
    assert standing(lab) == [f"{kind} {link}"]
    eventually(lambda: answers(lab, "p1", "p3") and answers(lab, "p3", "p1"))
    fault(lab, opposite, link)
    assert standing(lab) == []


def test_what_has_no_other_way_is_cut_off_and_comes_back(lab: RunningLab) -> None:
    fault(lab, "link-silent", "node3:leaf2")
    eventually(lambda: silent(lab, "p1", "p3"))
    assert answers(lab, "p1", "p2")


def test_a_switch_without_power_is_led_round(lab: RunningLab) -> None:
    fault(lab, "switch-kill", "spine1")
    eventually(lambda: answers(lab, "p1", "p3"))
    fault(lab, "switch-restart", "spine1")
    fault(lab, "switch-kill", "spine2")
    eventually(lambda: answers(lab, "p1", "p3"))


def test_a_partition_keeps_groups_apart_and_nobody_else(lab: RunningLab) -> None:
    fault(lab, "partition", "node1", "node3")
    assert silent(lab, "p1", "p3")
    assert silent(lab, "p3", "p1")
    assert answers(lab, "p2", "p1", "p3")
    told = lab.podwire.said("trace", lab.name, "p1", "p3:80")
    assert "a partition" in told.splitlines()[-1]


def test_known_pods_go_on_while_the_openflow_controller_is_away(lab: RunningLab) -> None:
    away = lab.podwire.start("fault", lab.name, "component-kill", "openflow", "--for", "5")
    eventually(lambda: standing(lab) == ["component-stop openflow"])
    try:
        assert answers(lab, "p1", "p2", "p3")
        assert by_service(lab, "p1")
    finally:
        assert away.wait(LIMIT_S) == 0
    assert standing(lab) == []
    eventually(lambda: lab.process("controller.app") is not None)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_a_fault_for_a_while_is_undone_where_the_command_is_ended(lab: RunningLab, ending: signal.Signals) -> None:
    """By a person who presses Ctrl-C more than once, too."""
    command = lab.podwire.start("fault", lab.name, "link-down", "leaf1:spine1", "--for", "600")
    eventually(lambda: standing(lab) == ["link-down leaf1:spine1"])
    command.send_signal(ending)
    command.send_signal(ending)
    assert command.wait(LIMIT_S) == 130
    assert standing(lab) == []


def test_a_killed_pod_is_made_anew(lab: RunningLab) -> None:
    before = {one["metadata"]["name"] for one in lab.pods("app=web")}
    victim = sorted(before)[0]
    fault(lab, "pod-kill", victim)

    def replaced() -> bool:
        now = {one["metadata"]["name"] for one in lab.pods("app=web") if one["status"]["phase"] == "Running"}
        return victim not in now and len(now) == len(before)

    eventually(replaced)
    eventually(lambda: by_service(lab, "p1"))


def test_a_dead_node_is_not_ready_and_its_pods_are_replaced_until_it_is_back(lab: RunningLab) -> None:
    fault(lab, "node-kill", "node2")
    assert silent(lab, "p1", "p2")
    eventually(lambda: ready(lab, "node2") == "Unknown")
    eventually(lambda: not served_by(lab, "node2"))
    eventually(lambda: by_service(lab, "p1"))
    assert answers(lab, "p1", "p3")

    def elsewhere() -> bool:
        running = [one for one in lab.pods("app=web") if not one["metadata"].get("deletionTimestamp")]
        return sorted(one["spec"].get("nodeName") for one in running if is_ready(one)) in PLACES

    eventually(elsewhere)
    assert ready(lab, "node1") == "True"
    fault(lab, "node-start", "node2")
    eventually(lambda: ready(lab, "node2") == "True")
    eventually(lambda: not json.loads(lab.kubectl("get", "node", "node2", "-o", "json"))["spec"].get("taints"))
    eventually(lambda: "p2" not in {one["metadata"]["name"] for one in lab.pods()})
    lab.apply(pod(2))  # what was evicted is gone for good: nobody owned it


PLACES = (["node1", "node1", "node3"], ["node1", "node3", "node3"])


def ready(lab: RunningLab, node: str) -> str:
    return condition(json.loads(lab.kubectl("get", "node", node, "-o", "json")))


def is_ready(one: dict[str, Any]) -> bool:
    return condition(one) == "True"


def condition(raw: dict[str, Any]) -> str:
    return next((one["status"] for one in raw["status"].get("conditions", ()) if one["type"] == "Ready"), "")


def served_by(lab: RunningLab, node: str) -> bool:
    slices = json.loads(lab.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json"))
    endpoints = [one for raw in slices["items"] for one in raw.get("endpoints") or ()]
    return any(one["nodeName"] == node and one["conditions"]["ready"] for one in endpoints)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["link-down", "leaf1:spine9"], 'no link "leaf1:spine9" in lab "faults": there is no node or switch "spine9"'),
        (["pod-kill", "nobody"], 'no pod "default/nobody" in lab "faults"; pods: '),
        (["node-kill", "node9"], 'no node "node9" in lab "faults"; there are node1, node2, node3'),
    ],
)
def test_a_fault_on_what_does_not_exist_is_one_line(lab: RunningLab, arguments: list[str], said: str) -> None:
    done = lab.podwire("fault", lab.name, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"podwire: {said}")


def test_loss_is_lost_or_the_kernel_is_said_to_lack_it(lab: RunningLab) -> None:
    done = lab.podwire("fault", lab.name, "link-loss", "node3:leaf2", "--percent", "100")
    if done.returncode:
        assert "podwire vm" in done.stderr
        assert standing(lab) == []
        return
    assert silent(lab, "p1", "p3")
