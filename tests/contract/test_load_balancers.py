"""Services of type LoadBalancer get their addresses from the controllers' process, against the real API server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_process import MERGE, ROOT, ApiProcess, wait_until

from k8sshim.cluster import Cluster

pytestmark = pytest.mark.contract

SERVICES = "/api/v1/namespaces/default/services"
CLUSTER = {
    "apiVersion": "podwire.dev/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "lab"},
    "status": Cluster("lab", (), (), (), 1500, (), (), load_balancer_cidrs=("198.51.100.0/30",)).status,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiProcess]:
    started = ApiProcess(tmp_path, bootstrap=[CLUSTER])
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture
def controllers(server: ApiProcess) -> Iterator[Controllers]:
    running = Controllers(server)
    try:
        yield running
    finally:
        running.kill()


class Controllers:
    """The process, to be killed and begun anew."""

    def __init__(self, server: ApiProcess) -> None:
        self._argv = [sys.executable, "-m", "k8sshim.controllers", "--kubeconfig", str(server.kubeconfig)]
        self._log = server.folder / "controllers.log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


def make(server: ApiProcess, name: str, **spec: Any) -> None:
    plain = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    server.ok("POST", SERVICES, {"metadata": {"name": name}, "spec": plain | spec})


def address(server: ApiProcess, name: str) -> str:
    ingress = server.ok("GET", f"{SERVICES}/{name}")["status"]["loadBalancer"].get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


def test_addresses_are_given_kept_and_given_back(server: ApiProcess, controllers: Controllers) -> None:
    make(server, "a")
    wait_until(lambda: address(server, "a") == "198.51.100.1", 20)
    controllers.kill()
    make(server, "b", loadBalancerIP="198.51.100.2")
    make(server, "c")
    make(server, "other", loadBalancerClass="example.com/other")
    controllers.start()
    wait_until(lambda: address(server, "b") == "198.51.100.2", 20)

    def said(name: str) -> list[str]:
        status = server.ok("GET", f"{SERVICES}/{name}")["status"]
        return [condition["reason"] for condition in status.get("conditions", [])]

    wait_until(lambda: said("c") == ["PoolExhausted"], 20)
    assert (address(server, "a"), address(server, "c")) == ("198.51.100.1", "")
    assert (address(server, "other"), said("other")) == ("", [])

    server.ok("PATCH", f"{SERVICES}/a", {"spec": {"type": "ClusterIP"}}, {"Content-Type": MERGE})
    wait_until(lambda: address(server, "c") == "198.51.100.1", 20)
    assert (address(server, "a"), said("c")) == ("", [])
    server.ok("DELETE", f"{SERVICES}/b")
    make(server, "d")
    wait_until(lambda: address(server, "d") == "198.51.100.2", 20)
