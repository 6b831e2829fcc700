"""What the node agent does for Services: no connection is lost by a rollout, and nodes reach what is their own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from laboratory import RunningLab, deployment

pytestmark = pytest.mark.e2e

# Opens one connection after another, from the first that is answered until it reads a line; says how many failed, and
# who answered.
LOAD = """
import json, select, sys, time, urllib.request
tried, failures, names = 0, [], set()
while not select.select([sys.stdin], [], [], 0.005)[0]:
    tried += 1
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
            names.add(json.load(answer)["pod"])
        if tried - len(failures) == 1:
            tried, failures = 1, []
            print("begun", flush=True)
    except OSError as error:
        failures.append(f"{time.time()}: {error}")
print(json.dumps({"tried": tried, "failures": failures, "names": sorted(names)}))
"""


def service(name: str, **spec: Any) -> dict[str, Any]:
    given = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


def names(lab: RunningLab, app: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in lab.pods(f"app={app}")}


def start_load(lab: RunningLab, place: str, url: str) -> subprocess.Popen[str]:
    argv = lab.podwire.argv("exec", lab.name, place, "--", "python3", "-c", LOAD, url)
    pipe = subprocess.PIPE
    load = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=lab.podwire.environment)
    assert load.stdout is not None
    assert load.stdout.readline() == "begun\n"
    return load


def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    """Return when it holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.1)


def test_a_rollout_under_constant_load_loses_no_connection(lab: RunningLab) -> None:
    lab.apply(deployment("rolled", 3, (80, "TCP")), service("rolled"), deployment("asking", 1, (81, "TCP")))
    address = lab.kubectl("get", "service", "rolled", "-o", "jsonpath={.spec.clusterIP}")
    (client,) = (pod["metadata"]["name"] for pod in lab.pods("app=asking"))
    loads = [start_load(lab, place, f"http://{address}/") for place in (client, "node2")]
    first = before = names(lab, "rolled")
    for _ in range(2):
        lab.kubectl("rollout", "restart", "deployment/rolled")
        until(lambda before=before: not before & names(lab, "rolled"))
        before = names(lab, "rolled")
    for load in loads:
        said = json.loads(load.communicate("\n", timeout=60)[0])
        assert said["failures"] == []
        assert len(set(said["names"]) - first) >= 3
        assert said["tried"] > 100


def test_a_connection_to_a_pod_that_is_deleted_goes_on_until_its_grace_period_ends(lab: RunningLab) -> None:
    lab.apply(deployment("ending", 1, (80, "TCP")), service("ending"), deployment("asking", 1, (81, "TCP")))
    address = lab.kubectl("get", "service", "ending", "-o", "jsonpath={.spec.clusterIP}")
    (ending,), (client,) = ([pod["metadata"]["name"] for pod in lab.pods(f"app={app}")] for app in ("ending", "asking"))
    talk = (
        "import socket, sys\n"
        f"line = socket.create_connection(({address!r}, 80)); say = lambda: (line.sendall(b'x'), line.recv(99))[1]\n"
        "for _ in sys.stdin:\n"
        "    try: print(say().decode().strip(), flush=True)\n"
        "    except OSError as error: print(type(error).__name__, flush=True)\n"
    )
    argv = lab.podwire.argv("exec", lab.name, client, "--", "python3", "-c", talk)
    pipe = subprocess.PIPE
    talking = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=lab.podwire.environment)
    assert talking.stdin is not None
    assert talking.stdout is not None

    def say() -> str:
        assert talking.stdin is not None
        assert talking.stdout is not None
        talking.stdin.write("\n")
        talking.stdin.flush()
        return talking.stdout.readline().strip()

    assert say() == ending
    lab.kubectl("delete", "deployment", "ending", "--wait=false")
    lab.kubectl("delete", "pod", ending, "--grace-period=6", "--wait=false")
    lab.kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", f"pod/{ending}")
    assert say() == ending
    lab.kubectl("wait", "--for=delete", f"pod/{ending}", "--timeout=40s")
    assert say() in ("ConnectionResetError", "BrokenPipeError")
    talking.communicate(timeout=20)


def test_a_node_reaches_node_ports_and_its_health_check_at_its_own_address(lab: RunningLab) -> None:
    local = service(
        "nodal", type="LoadBalancer", externalTrafficPolicy="Local", ports=[{"port": 80, "nodePort": 31234}]
    )
    lab.apply(deployment("nodal", 3, (80, "TCP")), local)
    check = lab.kubectl("get", "service", "nodal", "-o", "jsonpath={.spec.healthCheckNodePort}")
    nodes = {node["metadata"]["name"]: node for node in json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]}
    for name, node in nodes.items():
        address = node["status"]["addresses"][0]["address"]
        on_node = [pod for pod in lab.pods("app=nodal") if pod["spec"]["nodeName"] == name]
        for place in ("node1", "HOST"):
            is_healthy(lab, place, f"http://{address}:{check}/", len(on_node))
            if on_node:
                is_served(lab, place, f"http://{address}:31234/hostname")


def is_healthy(lab: RunningLab, place: str, url: str, endpoints: int) -> None:
    """Soon its health check there tells of so many."""

    def told() -> bool:
        said = lab.exec(place, "curl", "-s", "-m3", url).stdout
        return bool(said) and json.loads(said)["localEndpoints"] == endpoints

    until(told)


def is_served(lab: RunningLab, place: str, url: str) -> None:
    until(lambda: lab.exec(place, "curl", "-s", "-m3", url).stdout != "")


def test_exec_sees_what_the_place_resolves_by(lab: RunningLab) -> None:
    lab.apply(deployment("resolving", 1, (80, "TCP")))
    (pod,) = (one["metadata"]["name"] for one in lab.pods("app=resolving"))
    assert lab.exec(pod, "cat", "/etc/resolv.conf").stdout.splitlines() == [
        "search default.svc.cluster.local svc.cluster.local cluster.local",
        "nameserver 10.96.0.10",
        "options ndots:5",
    ]
    assert lab.exec(pod, "hostname").stdout == f"{pod}\n"
    for place in ("node1", "HOST"):
        assert lab.exec(place, "cat", "/etc/resolv.conf").stdout == "nameserver 203.0.113.2\n"
        assert lab.exec(place, "getent", "hosts", "node3").stdout.split()[1] == "node3"
    assert lab.exec("HOST", "hostname").stdout == "outside\n"
