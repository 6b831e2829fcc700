"""What Kubernetes' own network tests use of a cluster: a namespace for each test, pods that serve, clients that ask."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from laboratory import RunningLab

Raw = dict[str, Any]
WAIT_S = 30.0


@dataclass(frozen=True)
class Namespace:
    """A namespace of a lab, with kubectl and podwire exec at hand."""

    lab: RunningLab
    name: str

    def kubectl(self, *arguments: str, text: str = "") -> str:
        """What kubectl prints in this namespace. Fails where it fails."""
        done = self.tries(*arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def tries(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--kubeconfig={self.lab.kubeconfig}", f"--namespace={self.name}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, input=text or None)

    def create(self, *objects: Raw) -> None:
        """Create objects, as kubectl would."""
        self.kubectl("create", "--validate=false", "-f", "-", text=_listed(objects))

    def apply(self, *objects: Raw) -> None:
        self.kubectl("apply", "-f", "-", text=_listed(objects))

    def get(self, *what: str) -> Raw:
        found: Raw = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def patch(self, what: str, name: str, change: Raw, *options: str) -> None:
        self.kubectl("patch", what, name, "--type=merge", "-p", json.dumps(change), *options)

    def ready(self, *pods: str) -> None:
        self.kubectl("wait", "--for=condition=Ready", "--timeout=30s", *(f"pod/{pod}" for pod in pods))

    def run(self, pod: str, *argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """A command in a pod of this namespace, or in a node or HOST."""
        place = pod if pod == "HOST" or pod.startswith("node") else f"{self.name}/{pod}"
        return self.lab.exec(place, *argv, text=text)

    def ask(self, pod: str, url: str, *options: str) -> str:
        """What an HTTP server answers that pod; "" where none does."""
        done = self.run(pod, "curl", "-s", "--max-time", "10", "--connect-timeout", "5", *options, f"http://{url}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def ask_often(self, pod: str, url: str, times: int) -> list[str]:
        """What each of several connections, one after the other, is answered."""
        done = self.run(pod, "sh", "-c", _ASK_OFTEN, f"http://{url}", str(times))
        return done.stdout.split()

    def ask_udp(self, pod: str, address: str, port: int, question: str = "hostname") -> str:
        """What a UDP server answers; "" for silence, "refused" for an ICMP port unreachable."""
        return self.run(pod, "python3", "-c", _ASK_UDP, address, str(port), question).stdout.strip()


_ASK_OFTEN = 'i=0; while [ $i -lt "$1" ]; do curl -s --max-time 3 "$0"; echo; i=$((i+1)); done'
_ASK_UDP = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
asking.connect((sys.argv[1], int(sys.argv[2])))
try:
    asking.send(sys.argv[3].encode())
    print(asking.recv(2000).decode())
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    pass
"""


def _listed(objects: tuple[Raw, ...]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def pod(name: str, *ports: tuple[str, int, str], labels: dict[str, str] | None = None, **spec: Any) -> Raw:
    """A pod that serves on these ports (name, number, protocol) as Kubernetes' agnhost does."""
    declared = [{"name": label, "containerPort": number, "protocol": protocol} for label, number, protocol in ports]
    main = {"name": "agnhost", "image": "registry.k8s.io/e2e-test-images/agnhost:2.47", "ports": declared}
    body = {"containers": [main], "terminationGracePeriodSeconds": 1, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}}, "spec": body}


def service(name: str, selector: dict[str, str] | None, *ports: Raw, **spec: Any) -> Raw:
    body: Raw = {"ports": list(ports), **spec}
    if selector:
        body["selector"] = selector
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def eventually(found: Callable[[], Any], wanted: Any, what: str = "", limit_s: float = WAIT_S) -> None:
    """Wait until something has a value, as Kubernetes' tests poll."""
    deadline = time.monotonic() + limit_s
    while (got := found()) != wanted:
        assert time.monotonic() < deadline, f"{what or found}: {got!r}, not {wanted!r}, after {limit_s:.0f} s"
        time.sleep(0.1)


def node_addresses(lab: RunningLab) -> dict[str, str]:
    nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    return {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in nodes}
