"""The labs that the network's tests share: every placement and fabric, with the same pods on the same nodes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from laboratory import Laboratory, RunningLab

PORT = 8080


@dataclass(frozen=True)
class Network:
    """How a lab's network is made."""

    placement: str
    fabric: dict[str, Any]
    ttl_across_nodes: int  # what is left of 64: each node bridge and fabric switch on the way takes one

    @property
    def name(self) -> str:
        return f"{self.fabric['shape']}-{self.placement}"

    @property
    def cluster(self) -> dict[str, Any]:
        return {
            "apiVersion": "podwire.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": self.name},
            "spec": {"nodes": 3, "fabric": self.fabric, "bridgePlacement": self.placement},
        }


NETWORKS = [
    Network("shared", {"shape": "single"}, 61),
    Network("per-node", {"shape": "leaf-spine", "leaves": 2, "spines": 2}, 59),
]


def pod(name: str, node: str, **spec: Any) -> dict[str, Any]:
    """A pod on that node: a stand-in on TCP and UDP, and a command that is ready once it reaches it by localhost."""
    ports = [{"containerPort": PORT, "protocol": protocol} for protocol in ("TCP", "UDP")]
    reach = {
        "exec": {"command": ["curl", "-sf", f"http://localhost:{PORT}/"]},
        "periodSeconds": 1,
        "timeoutSeconds": 10,
    }
    main = {"name": "main", "image": "stand-in", "ports": ports}
    beside = {"name": "beside", "image": "host", "command": ["sleep", "3600"], "readinessProbe": reach}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name, "group": "network"}},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 1, "containers": [main, beside], **spec},
    }


def service(name: str, selector: dict[str, str], **ports: int) -> dict[str, Any]:
    """A Service of TCP and UDP ports: name of the port to its target."""
    listed = [
        {"name": f"{label}-{protocol.lower()}", "port": 80 + index, "targetPort": target, "protocol": protocol}
        for index, (label, target) in enumerate(ports.items())
        for protocol in ("TCP", "UDP")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": listed},
    }


PODS = [
    pod("a", "node1"),
    pod("b", "node1"),
    pod("c", "node3"),  # in a leaf-spine fabric, on another leaf than node1
    pod("h", "node2", hostNetwork=True),
]
SERVICES = [
    service("all", {"group": "network"}, web=PORT),
    service("only-a", {"app": "a"}, web=PORT, closed=9),
    service("only-h", {"app": "h"}, web=PORT),
    service("nobody", {"app": "nobody"}, web=PORT),
]


@dataclass(frozen=True)
class NetworkLab:
    """A lab with `PODS` and `SERVICES`."""

    network: Network
    lab: RunningLab
    pod_ips: dict[str, str]
    node_ips: dict[str, str]
    cluster_ips: dict[str, str]

    def run(self, place: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return self.lab.exec(place, *argv)

    def fetch(self, place: str, address: str, port: int = PORT) -> subprocess.CompletedProcess[str]:
        return self.run(place, "curl", "-sS", "--max-time", "5", f"http://{address}:{port}/")

    def ping(self, place: str, address: str, *options: str) -> str:
        return self.run(place, "ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", *options, address).stdout

    @contextmanager
    def capture(self, place: str, expression: str) -> Iterator[list[str]]:
        """Packets seen on `eth0` of that place while the block runs; the list fills when the block ends."""
        argv = [
            "tcpdump",
            "-Z",
            "root",
            "-nli",
            "eth0",
            "--immediate-mode",
            expression,
        ]  # as another user, no signal ends it
        lines: list[str] = []
        with subprocess.Popen(
            self.lab.podwire.argv("exec", self.lab.name, place, "--", *argv),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.lab.podwire.environment,
        ) as tcpdump:
            assert tcpdump.stderr is not None and tcpdump.stdout is not None
            while "listening on" not in (heard := tcpdump.stderr.readline()):
                assert heard, "tcpdump ended before it listened"
            try:
                yield lines
            finally:
                tcpdump.terminate()
                lines += filter(None, tcpdump.stdout.read().splitlines())


def bring_up(laboratory: Laboratory, network: Network, folder: Any) -> NetworkLab:
    """The lab of that network, brought up the first time it is asked for."""
    cluster = folder / f"{network.name}.yaml"
    cluster.write_text(json.dumps(network.cluster))
    fresh = network.name not in laboratory.labs
    lab = laboratory.up(network.name, str(cluster))
    if fresh:
        lab.apply(*PODS, *SERVICES)
    pods = {p["metadata"]["name"]: p["status"]["podIP"] for p in lab.pods("group=network")}
    nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    services = json.loads(lab.kubectl("get", "services", "-o", "json"))["items"]
    return NetworkLab(
        network,
        lab,
        pods,
        {n["metadata"]["name"]: n["status"]["addresses"][0]["address"] for n in nodes},
        {s["metadata"]["name"]: s["spec"]["clusterIP"] for s in services},
    )


def source_addresses(lines: list[str]) -> set[str]:
    """The source addresses of captured IPv4 packets."""
    return {match[1] for line in lines if (match := re.search(r" IP (\d+\.\d+\.\d+\.\d+)", line))}
