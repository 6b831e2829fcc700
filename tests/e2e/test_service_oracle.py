"""Every client place, kind of address, traffic policy and state of endpoints: the oracle against real packets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from laboratory import Laboratory, RunningLab
from networks import NETWORKS, Network
from service_oracle import DROPPED, REFUSED, UNREACHABLE, Backend, Client, Front, Service, Verdict, verdict

pytestmark = pytest.mark.e2e
PORT = 8080
TRIES = 24  # enough that an endpoint or a way that must not be used would be
NODES = ("node1", "node2", "node3")
STATES = {
    "here-and-there": (Backend("one", "node1"), Backend("two", "node2")),
    "there": (Backend("two", "node2"),),
    "none": (),
    "unready": (Backend("one", "node1", ready=False),),
    "ending": (Backend("one", "node1", ready=False, ending=True), Backend("two", "node2", ready=False, ending=True)),
    "ending-here": (Backend("one", "node1", ready=False, ending=True), Backend("two", "node2")),
}
SERVICES = [
    Service(f"{state}-{'l' if internal else 'c'}{'l' if external else 'c'}", internal, external, backends)
    for (state, backends), internal, external in product(STATES.items(), (False, True), (False, True))
]
FRONTS = [
    Front("cluster-ip"),
    *(Front("node-port", node) for node in NODES),
    Front("load-balancer"),
    Front("external-ip"),
]
CLIENTS = ("near", "far", "node1", "HOST")  # pods on node1 and node3, a node, the outside host

ASK = """
import concurrent.futures, errno, json, socket, sys
def ask(front, more=1):
    host, port = front
    try:
        with socket.create_connection((host, port), patience) as connection:
            connection.settimeout(patience)
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        told = json.loads(answer.split(b"\\r\\n\\r\\n", 1)[1])
        return [told["pod"], told["client"]["address"]]
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:  # once may be bad luck: a port that the server has not let go of yet
        return ask(front, more - 1) if more else "dropped"
    except OSError as error:
        return "unreachable" if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH) else str(error)
fronts, tries, patience = json.load(sys.stdin), int(sys.argv[1]), float(sys.argv[2])
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    asked = [front for front in fronts for _ in range(tries)]
    answers = list(pool.map(ask, asked))
print(json.dumps([answers[at : at + tries] for at in range(0, len(answers), tries)]))
"""


def _pod(name: str, node: str) -> dict[str, Any]:
    main = {"name": "main", "image": "stand-in", "ports": [{"containerPort": PORT}]}
    metadata = {"name": name, "labels": {"oracle": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, "containers": [main]}}


def _objects(service: Service, number: int, pods: dict[str, str]) -> list[dict[str, Any]]:
    """The Service without a selector, and its slice written by hand, so that endpoints stay in their states."""
    policy = {False: "Cluster", True: "Local"}
    spec = {
        "type": "LoadBalancer",
        "externalIPs": [f"192.0.2.{number + 1}"],
        "internalTrafficPolicy": policy[service.internal_local],
        "externalTrafficPolicy": policy[service.external_local],
        "ports": [{"port": 80, "targetPort": PORT}],
    }
    endpoints = [
        {
            "addresses": [pods[one.pod]],
            "nodeName": one.node,
            "conditions": {"ready": one.ready, "serving": one.ready or one.ending, "terminating": one.ending},
        }
        for one in service.backends
    ]
    labels = {"kubernetes.io/service-name": service.name}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service.name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", "port": PORT, "protocol": "TCP"}],
    }
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": service.name}, "spec": spec}, slice_]


@dataclass(frozen=True)
class World:
    """A lab with every Service, and where things are."""

    lab: RunningLab
    nodes: dict[str, str]
    clients: dict[str, Client]
    services: dict[str, dict[str, Any]]

    def address(self, service: Service, front: Front) -> tuple[str, int]:
        raw = self.services[service.name]
        match front.kind:
            case "cluster-ip":
                return raw["spec"]["clusterIP"], 80
            case "node-port":
                return self.nodes[front.node], raw["spec"]["ports"][0]["nodePort"]
            case "load-balancer":
                return raw["status"]["loadBalancer"]["ingress"][0]["ip"], 80
            case _:
                return raw["spec"]["externalIPs"][0], 80


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def world(request: pytest.FixtureRequest, laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> World:
    network: Network = request.param
    cluster: Path = tmp_path_factory.mktemp("oracle") / "cluster.yaml"
    cluster.write_text(json.dumps(network.cluster | {"metadata": {"name": f"oracle-{network.name}"}}))
    lab = laboratory.up(f"oracle-{network.name}", str(cluster))
    lab.apply(_pod("one", "node1"), _pod("two", "node2"), _pod("near", "node1"), _pod("far", "node3"))
    pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in lab.pods("oracle")}
    lab.apply(*(each for number, service in enumerate(SERVICES) for each in _objects(service, number, pods)))
    raw_nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    nodes = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in raw_nodes}
    for service in SERVICES:
        lab.kubectl(
            "wait", f"service/{service.name}", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "--timeout=20s"
        )
    services = {
        raw["metadata"]["name"]: raw for raw in json.loads(lab.kubectl("get", "services", "-o", "json"))["items"]
    }
    outside = lab.exec("HOST", "hostname", "-I").stdout.split()[0]
    clients = {
        "near": Client("near", pods["near"], "node1"),
        "far": Client("far", pods["far"], "node3"),
        "node1": Client("node1", nodes["node1"], "node1"),
        "HOST": Client("HOST", outside, ""),
    }
    return World(lab, nodes, clients, services)


def _happened(answers: list[Any]) -> str:
    """What real packets said, in the oracle's words."""
    kinds = {answer if isinstance(answer, str) else "answered" for answer in answers}
    if kinds != {"answered"}:
        return " and ".join(sorted(kinds))
    pods, sources = (frozenset(answer[at] for answer in answers) for at in (0, 1))
    return str(Verdict(pods, sources))


def _agrees(expected: Verdict, answers: list[Any]) -> bool:
    """Every endpoint that may answer did, no other, and none saw an address that it must not see."""
    if expected.otherwise:
        return all(answer == expected.otherwise for answer in answers)
    if any(isinstance(answer, str) for answer in answers):
        return False
    return {answer[0] for answer in answers} == expected.pods and {answer[1] for answer in answers} <= expected.sources


@pytest.mark.parametrize("name", CLIENTS)
def test_real_packets_agree_with_the_oracle(world: World, name: str) -> None:
    client = world.clients[name]
    cells = list(product(SERVICES, FRONTS))
    answered = [cell for cell in cells if not verdict(client, cell[1], cell[0], world.nodes).otherwise]
    silent = [cell for cell in cells if cell not in answered]
    said = {}
    for group, tries, patience in ((answered, TRIES, 15), (silent, 2, 1)):
        asked = json.dumps([world.address(service, front) for service, front in group])
        done = world.lab.exec(name, "python3", "-c", ASK, str(tries), str(patience), text=asked)
        assert done.returncode == 0, done.stderr
        said.update(zip(group, json.loads(done.stdout), strict=True))
    wrong = [
        f"{service.name:22} {front.kind} {front.node:6} oracle: {expected}; packets: {_happened(said[service, front])}"
        for service, front in cells
        if not _agrees(expected := verdict(client, front, service, world.nodes), said[service, front])
    ]
    assert not wrong, f"{len(wrong)} of {len(cells)} cells for {name}:\n" + "\n".join(wrong)


def test_the_table_has_every_kind_of_verdict(world: World) -> None:
    """Else agreement would say little."""
    verdicts = [
        verdict(client, front, service, world.nodes)
        for client in world.clients.values()
        for service, front in product(SERVICES, FRONTS)
    ]
    assert {one.otherwise for one in verdicts} == {"", REFUSED, DROPPED, UNREACHABLE}
    assert len({one for one in verdicts if not one.otherwise}) > 10
