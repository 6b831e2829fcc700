"""The topology's agent and the controller at an API server that no lab started: all they are given is a kubeconfig.

A second API server runs beside it, as a lab's own would. Nobody must write to that one.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_process import ApiProcess
from controllers_process import Controllers

from k8sshim.client import CLUSTERS, NODES, PODS, SERVICES, Client
from k8sshim.objects import Key, Raw
from lab.waiting import wait_until
from topo import mininet_backend
from topo import spec as cluster_spec
from topo.mininet_backend import Topology
from topo.netns import LinuxNamespaces, inside
from topo.plan import Plan, plan

pytestmark = pytest.mark.netns
RUN = Path("/run/podwire")
WAIT_S = 90


class Network:
    """A topology with its agent and its controller, and no API server."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.plan: Plan = plan(cluster_spec.parse(cluster_spec.to_raw(cluster_spec.default("elsewhere"))))
        self._folder, self._kubeconfig = folder, kubeconfig
        self._processes: list[subprocess.Popen[bytes]] = []
        self._topology: Topology | None = None

    def start(self) -> None:
        RUN.mkdir(parents=True)
        (RUN / "cluster.json").write_text(json.dumps(self.plan.raw()))
        self._run("controller.app", "--listen", str(RUN / "openflow.sock"))
        self._run("topo.agent", "--cluster", str(RUN / "cluster.json"), "--hide", str(self._folder))
        self._topology = mininet_backend.build(self.plan, RUN, self._folder)
        (RUN / "topology-ready").touch()

    def _run(self, module: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", module, "--kubeconfig", str(self._kubeconfig), *arguments]
        with (self._folder / f"{module}.log").open("wb") as log:
            self._processes.append(subprocess.Popen(argv, stdout=log, stderr=log))

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        if self._topology:
            self._topology.stop()
        namespaces = LinuxNamespaces()
        namespaces.delete([name for name in namespaces.names() if name.startswith("pod-")])
        for device in (RUN / "dev").glob("*"):
            subprocess.run(["umount", str(device)], check=True)
        shutil.rmtree(RUN)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2_000:] for path in self._folder.glob("*.log"))


@pytest.fixture
def unused(tmp_path: Path) -> Iterator[ApiProcess]:
    """The API server that the network was not told of."""
    server = ApiProcess(_folder(tmp_path, "unused"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[ApiProcess]:
    """A control plane of its own: API server and controllers, begun before there is a network; it is told of none."""
    server = ApiProcess(_folder(tmp_path, "elsewhere"))
    try:
        server.start()
        controllers = Controllers(server)
        yield server
        controllers.kill()
    finally:
        server.close()


@pytest.fixture
def network(tmp_path: Path, elsewhere: ApiProcess) -> Iterator[Network]:
    one = Network(_folder(tmp_path, "network"), elsewhere.kubeconfig)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def ready(client: Client, network: Network, name: str) -> Raw:
    """The pod of that name, once it is Ready."""

    def is_ready() -> bool:
        conditions = ((client.get(PODS, Key("default", name)) or {}).get("status") or {}).get("conditions") or ()
        return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)

    assert wait_until(is_ready, WAIT_S), network.logs()
    found = client.get(PODS, Key("default", name))
    assert found is not None
    return found


def web(name: str, node: str) -> Raw:
    container = {"name": "web", "image": "stand-in", "ports": [{"containerPort": 80}]}
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": node}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def publish(client: Client, planned: Plan) -> None:
    """The Cluster object, by which the controller knows the switches; its status is written apart, as in Kubernetes."""
    made = client.create(CLUSTERS, planned.raw())
    client.update_status(CLUSTERS, {**made, "status": planned.raw()["status"]})


def answers(place: str, address: str) -> str:
    """Who answers there, asked from a namespace; "" where nobody does."""
    try:
        with inside(place):
            connection = socket.create_connection((address, 80), timeout=3)
        with connection:
            return connection.recv(100).decode().strip()
    except OSError:
        return ""


def test_pods_and_services_of_another_control_plane_have_their_network(
    network: Network, elsewhere: ApiProcess, unused: ApiProcess
) -> None:
    client = Client(elsewhere.kubeconfig)
    publish(client, network.plan)
    for number, name in enumerate(("one", "two"), 1):
        client.create(PODS, web(name, f"node{number}"))
    spec = {"selector": {"app": "two"}, "ports": [{"port": 80}]}
    service = client.create(SERVICES, {"metadata": {"name": "two", "namespace": "default"}, "spec": spec})

    one, two = (ready(client, network, name) for name in ("one", "two"))
    assert {pod["spec"]["nodeName"] for pod in (one, two)} == {"node1", "node2"}
    place = f"pod-{one['metadata']['uid']}"
    assert wait_until(lambda: answers(place, two["status"]["podIP"]) == "two", WAIT_S), network.logs()
    assert wait_until(lambda: answers(place, service["spec"]["clusterIP"]) == "two", WAIT_S), network.logs()

    elsewhere.restart()
    assert answers(place, two["status"]["podIP"]) == "two"
    client.create(PODS, web("three", "node3"))
    three = ready(client, network, "three")
    assert wait_until(lambda: answers(place, three["status"]["podIP"]) == "three", WAIT_S), network.logs()
    assert Client(unused.kubeconfig).list(NODES)[0] == []
