"""Stand-ins, probes and the pod's place in the network, with a real agent and real namespaces."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_lab import AgentLab, wait_until

from k8sshim.client import NODES
from k8sshim.objects import Key
from topo.netns import LinuxNamespaces, inside

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentLab]:
    one = AgentLab(tmp_path_factory.mktemp("lab"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


def talk(
    namespace: str,
    address: str,
    port: int,
    said: bytes = b"",
    *,
    kind: int = socket.SOCK_STREAM,
    protocol: int = 0,
) -> bytes:
    """The answer of whatever listens at an address, asked from a namespace."""
    with inside(namespace):
        client = socket.socket(socket.AF_INET, kind, protocol)
    with client:
        client.settimeout(5)
        client.connect((address, port))
        if said:
            client.sendall(said)
        return client.recv(4096)


def get(namespace: str, url: str) -> dict[str, object]:
    with inside(namespace), urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)  # type: ignore[no-any-return]


def container(**more: object) -> dict[str, object]:
    return {"name": "web", "image": "nginx", **more}


def test_nodes_are_registered_and_ready(lab: AgentLab) -> None:
    node = wait_until(lambda: lab.client.get(NODES, Key("", "node1")))
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node1"
    assert node["spec"]["podCIDR"] == str(lab.plan.node("node1").pod_cidrs[0])
    assert {"type": "Hostname", "address": "node1"} in node["status"]["addresses"]
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("podwire/")
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"


def test_a_stand_in_answers_over_tcp_udp_and_http(lab: AgentLab) -> None:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    lab.run_pod("talker", {"containers": [container(ports=ports)]})
    address = lab.ready("talker")["status"]["podIP"]
    assert talk("node-node1", address, 80, b"hello") == b"talker\n"
    assert talk("node-node1", address, 80) == b"talker\n"  # to one who says nothing
    assert talk("node-node1", address, 53, b"?", kind=socket.SOCK_DGRAM) == b"talker"
    answer = get("node-node1", f"http://{address}/path")
    assert (answer["pod"], answer["node"], answer["port"], answer["path"]) == ("talker", "node1", 80, "/path")


@pytest.mark.usefixtures("sctp")
def test_a_stand_in_answers_over_sctp(lab: AgentLab) -> None:
    lab.run_pod("caller", {"containers": [container(ports=[{"containerPort": 3868, "protocol": "SCTP"}])]})
    address = lab.ready("caller")["status"]["podIP"]
    assert talk("node-node1", address, 3868, b"hello", protocol=socket.IPPROTO_SCTP) == b"caller\n"


def test_it_answers_kubernetes_network_tests_as_agnhost_does(lab: AgentLab) -> None:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    lab.run_pod("netexec", {"containers": [container(ports=ports)], "hostname": "front"})
    address = lab.ready("netexec")["status"]["podIP"]
    client = str(lab.plan.node("node1").pod_gateways[0])
    assert talk("node-node1", address, 53, b"hostname\n", kind=socket.SOCK_DGRAM) == b"front"
    assert talk("node-node1", address, 53, b"echo a b", kind=socket.SOCK_DGRAM) == b"a b"
    assert talk("node-node1", address, 53, b"clientip", kind=socket.SOCK_DGRAM).decode().startswith(f"{client}:")
    assert get("node-node1", f"http://{address}/x")["local"] == {"address": address, "port": 80}
    with inside("node-node1"), urllib.request.urlopen(f"http://{address}/clientip", timeout=5) as response:
        assert response.read().decode().startswith(f"{client}:")


def open_stream(address: str, port: int, said: bytes, answer: bytes) -> socket.socket:
    """A connection from node1 that has had its first answer."""
    with inside("node-node1"):
        client = socket.create_connection((address, port), 5)
    client.sendall(said)
    assert client.recv(4096).startswith(answer)
    return client


def test_a_stand_in_finishes_what_is_open_and_is_killed_when_its_grace_period_is_over(lab: AgentLab) -> None:
    lab.run_pod("leaving", {"containers": [container(ports=[{"containerPort": 80}])]})
    address = lab.ready("leaving")["status"]["podIP"]
    line = open_stream(address, 80, b"hello", b"leaving\n")
    idle = open_stream(address, 80, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK")
    lab.delete("leaving", 4)
    assert idle.recv(4096) == b""  # a kept connection that waits for nothing is closed
    line.sendall(b"still there?")
    assert line.recv(4096) == b"leaving\n"
    with inside("node-node1"), pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 80), 5)
    with pytest.raises(ConnectionResetError):
        line.recv(4096)
    lab.gone("leaving")
    line.close()
    idle.close()


def test_a_deletion_without_grace_resets_what_is_open(lab: AgentLab) -> None:
    lab.run_pod("killed", {"containers": [container(ports=[{"containerPort": 80}])]})
    address = lab.ready("killed")["status"]["podIP"]
    line = open_stream(address, 80, b"hello", b"killed\n")
    lab.delete("killed", 0)
    with pytest.raises(ConnectionResetError):
        line.recv(4096)
    line.close()
    lab.gone("killed")


def test_a_pod_reaches_a_pod_and_is_seen_with_its_own_address(lab: AgentLab) -> None:
    for name in ("seer", "seen"):
        lab.run_pod(name, {"containers": [container(ports=[{"containerPort": 80}])]})
    seer, seen = lab.ready("seer"), lab.ready("seen")
    answer = get(f"pod-{seen['metadata']['uid']}", f"http://{seer['status']['podIP']}/")
    assert answer["client"] == {"address": seen["status"]["podIP"], "port": answer["client"]["port"]}  # type: ignore[index]


def test_two_containers_share_localhost(lab: AgentLab) -> None:
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/').read().decode()); input()"
    caller = {"name": "caller", "image": "x", "command": ["python3", "-c", program]}
    spec = {"containers": [container(ports=[{"containerPort": 8080}]), caller], "restartPolicy": "Never"}
    pod = lab.run_pod("both", spec)
    wait_until(lambda: '"client": {"address": "127.0.0.1"' in lab.output(pod, "caller"))


def test_a_port_that_is_taken_is_said_so(lab: AgentLab) -> None:
    ports = [{"containerPort": 80}]
    twice = [container(ports=ports), {"name": "second", "image": "x", "ports": ports}]
    lab.run_pod("clash", {"containers": twice})

    def message() -> str:
        statuses = lab.pod("clash")["status"].get("containerStatuses") or []  # type: ignore[index]
        return " ".join(s["state"].get("waiting", {}).get("message", "") for s in statuses)

    wait_until(lambda: "port 80/TCP is already bound by container web of this pod" in message())
    lab.delete("clash", 0)


def test_host_network_pods_listen_at_the_node_and_conflict_there(lab: AgentLab) -> None:
    spec = {"hostNetwork": True, "containers": [container(ports=[{"containerPort": 9100}])]}
    lab.run_pod("host-a", spec)
    address = lab.ready("host-a")["status"]["podIP"]
    assert address == str(lab.plan.node("node1").addresses[0])
    assert talk("node-node1", address, 9100, b"x") == b"host-a\n"
    lab.run_pod("host-b", spec)
    wait_until(lambda: "already bound on node node1" in json.dumps(lab.pod("host-b")))
    lab.delete("host-a", 0)
    lab.delete("host-b", 0)


def test_readiness_is_asked_over_the_network(lab: AgentLab) -> None:
    program = "import http.server as h; h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
    probe = {"httpGet": {"port": "web", "path": "/ready"}, "periodSeconds": 1}
    serve = {"command": ["python3", "-c", program], "workingDir": "/srv-test", "volumeMounts": [mount()]}
    spec = {"containers": [container(ports=[port()], readinessProbe=probe, **serve)], "volumes": [volume()]}
    pod = lab.run_pod("late", spec)
    wait_until(lambda: "404" in lab.output(pod, "web"))
    assert not any(c["ready"] for c in lab.pod("late")["status"]["containerStatuses"])  # type: ignore[index]
    folder = Path("/run/podwire/pods/node1") / pod["metadata"]["uid"] / "volumes/data"
    (folder / "ready").write_text("yes")
    lab.ready("late")
    (folder / "ready").unlink()
    wait_until(lambda: not lab.pod("late")["status"]["containerStatuses"][0]["ready"])  # type: ignore[index]


def port() -> dict[str, object]:
    return {"name": "web", "containerPort": 8000}


def mount() -> dict[str, object]:
    return {"name": "data", "mountPath": "/srv-test"}


def volume() -> dict[str, object]:
    return {"name": "data", "emptyDir": {}}


def test_a_failed_liveness_probe_restarts_the_container(lab: AgentLab) -> None:
    probe = {"tcpSocket": {"port": 81}, "periodSeconds": 1, "failureThreshold": 2}
    served = {"name": "other", "image": "x", "ports": [{"containerPort": 81}]}
    elsewhere = {"httpGet": {"port": 80, "host": "10.244.0.1"}, "periodSeconds": 1, "failureThreshold": 2}
    lab.run_pod("sick", {"containers": [container(ports=[port()], livenessProbe=elsewhere)]})
    lab.run_pod("well", {"containers": [container(ports=[port()], livenessProbe=probe), served]})
    wait_until(lambda: restarts(lab, "sick") >= 1)
    assert restarts(lab, "well") == 0
    address = lab.pod("sick")["status"]["podIP"]  # type: ignore[index]

    def answers() -> bool:
        try:
            return talk("node-node1", address, 8000, b"x") == b"sick\n"
        except OSError:  # between two restarts
            return False

    wait_until(answers)


def restarts(lab: AgentLab, name: str) -> int:
    statuses = lab.pod(name)["status"].get("containerStatuses") or []  # type: ignore[index]
    return max((s["restartCount"] for s in statuses), default=0)


def test_a_deleted_pod_leaves_nothing(lab: AgentLab) -> None:
    pod = lab.run_pod("brief", {"containers": [container(ports=[{"containerPort": 80}])]}, node="node2")
    lab.ready("brief")
    assert f"pod-{pod['metadata']['uid']}" in LinuxNamespaces().names()
    lab.delete("brief")
    lab.gone("brief")
    assert f"pod-{pod['metadata']['uid']}" not in LinuxNamespaces().names()
    assert lab.switchd is not None
    assert lab.switchd.vsctl("list-ports", "b2").split() == ["b2-n2"]
