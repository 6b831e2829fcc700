"""Readiness puts an endpoint into its Service and takes it out, as a client sees it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import RunningLab

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e

GATE = 7000  # a pod is ready while something listens on this port of its namespace
OBJECTS: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gated", "labels": {"app": "gated"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "host",
                    "command": ["python3", "-m", "http.server", "--directory", "/tmp", "8080"],
                    "ports": [{"containerPort": 8080, "name": "web"}],
                    "readinessProbe": {"tcpSocket": {"port": GATE}, "periodSeconds": 1, "failureThreshold": 1},
                }
            ]
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "gated"},
        "spec": {"selector": {"app": "gated"}, "ports": [{"port": 80, "targetPort": "web"}]},
    },
]


@pytest.fixture
def address(lab: RunningLab, podwire: Any) -> str:
    podwire.said("apply", lab.name, "-f", "-", text="\n---\n".join(map(str, OBJECTS)))
    assert wait_until(lambda: lab.exec("gated", "true").returncode == 0, timeout_s=20)
    return lab.kubectl("get", "service", "gated", "-o", "jsonpath={.spec.clusterIP}")


@pytest.fixture
def gate(lab: RunningLab) -> Iterator[subprocess.Popen[str]]:
    """Something that listens on the gate, once it does."""
    listen = "import socket, time; s = socket.create_server(('', 7000)); print('up', flush=True); time.sleep(300)"
    argv = lab.podwire.argv("exec", lab.name, "gated", "--", "python3", "-c", listen)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=lab.podwire.environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.terminate()


def answers(lab: RunningLab, address: str) -> bool:
    """Whether the Service answers a node; refused at once otherwise, never silent."""
    done = lab.exec("node1", "curl", "-s", "--max-time", "5", f"http://{address}/")
    assert done.returncode in (0, 7), f"neither answered nor refused: curl's exit code {done.returncode}"
    return done.returncode == 0


def ready_addresses(lab: RunningLab) -> str:
    return lab.kubectl("get", "endpoints", "gated", "-o", "jsonpath={.subsets[*].addresses[*].ip}")


def test_an_endpoint_comes_with_readiness_and_goes_with_it(
    lab: RunningLab, address: str, gate: subprocess.Popen[str]
) -> None:
    assert wait_until(lambda: answers(lab, address), timeout_s=20)
    assert ready_addresses(lab) != ""
    gate.terminate()
    assert wait_until(lambda: not answers(lab, address), timeout_s=20)
    assert wait_until(lambda: ready_addresses(lab) == "", timeout_s=20)
    assert lab.kubectl("get", "pod", "gated", "-o", "jsonpath={.status.containerStatuses[0].ready}") == "false"
