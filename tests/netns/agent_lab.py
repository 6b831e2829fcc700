"""A real API server, a real node agent and real bridges of `actions=normal`, for tests of the agent inside a sandbox.

The bridge learns like a switch, so the node's namespace gets the pods' gateway as a second address, and routes: so
nodes and pods reach one another without a controller.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from k8sshim import pki
from k8sshim.client import NAMESPACES, PODS, Client
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw
from topo import addressing
from topo import spec as cluster_spec
from topo.netns import LinuxNamespaces, inside
from topo.ovs import Switchd
from topo.plan import plan

RUN = Path("/run/podwire")
T = TypeVar("T")
_agent_log: list[Path] = []  # of the lab that runs, for who waits in vain


def wait_until(condition: Callable[[], T], timeout_s: float = 60.0) -> T:
    """The condition's value once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            agent = _agent_log[-1].read_text() if _agent_log else ""
            raise AssertionError(f"not within {timeout_s} s; the agent's log ends with\n{agent[-2000:]}")
        time.sleep(0.02)
    return value


class AgentLab:
    """Two nodes of one Open vSwitch, and what the agent needs to serve them."""

    def __init__(self, state: Path, *, nodes: int = 2, agent_options: Iterable[str] = ()) -> None:
        raw = cluster_spec.to_raw(cluster_spec.default("agent"))
        raw["spec"]["nodes"] = nodes
        self.plan = plan(cluster_spec.parse(raw))
        self.state = state
        self.agent_options = list(agent_options)
        self.server: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None
        self.switchd: Switchd | None = None
        self._given = dict.fromkeys((node.name for node in self.plan.nodes), 1)

    def start(self) -> None:
        RUN.mkdir(parents=True, exist_ok=True)
        (RUN / "cluster.json").write_text(json.dumps(self.plan.raw()))
        self._build_network()
        pki.create(self.state / "pki", service_cidrs=["10.96.0.0/12"], now=datetime.now(timezone.utc))
        (RUN / "kubeconfig").write_text(pki.kubeconfig(self.state / "pki", "https://127.0.0.1:6443", "agent"))
        (RUN / "topology-ready").touch()
        self.start_server()
        self.client = Client(RUN / "kubeconfig")
        self.client.wait_until_ready(60)
        if self.client.get(NAMESPACES, Key("", "default")) is None:
            self.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        self.start_agent()

    def start_server(self) -> None:
        store, where = self.state / "store.sqlite", ["--service-cidr", "10.96.0.0/12", "--listen", "127.0.0.1:6443"]
        argv = ["-m", "k8sshim.server", "--store", str(store), "--pki", str(self.state / "pki"), *where]
        self.server = self._spawn("server", argv)

    def start_agent(self) -> None:
        argv = ["-m", "topo.agent", "--kubeconfig", str(RUN / "kubeconfig"), "--cluster", str(RUN / "cluster.json")]
        _agent_log[:] = [self.state / "agent.log"]
        self.agent = self._spawn("agent", [*argv, "--hide", str(self.state), *self.agent_options])

    def stop(self) -> None:
        for process in (self.agent, self.server):
            if process:
                process.kill()
                process.wait()
        if self.switchd:
            self.switchd.stop()
        LinuxNamespaces().disconnect([self.plan.link_of(node) for node in self.plan.nodes])
        LinuxNamespaces().delete([name for name in LinuxNamespaces().names() if name.startswith(("pod-", "node-"))])
        for device in (RUN / "dev").glob("*"):
            subprocess.run(["umount", str(device)], check=True)
        shutil.rmtree(RUN)

    def log(self, name: str) -> str:
        return (self.state / f"{name}.log").read_text()

    def run_pod(self, name: str, spec: dict[str, Any], *, node: str = "node1", **metadata: Any) -> Raw:
        """Creates a pod as scheduling would have bound it."""
        body = {"nodeName": node, "terminationGracePeriodSeconds": 1, **spec}
        annotations = {} if spec.get("hostNetwork") else {POD_NETWORK_ANNOTATION: self._network(node).to_json()}
        meta = {"name": name, "namespace": "default", **metadata}
        self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body})
        return self.client.patch(PODS, Key("default", name), {"metadata": {"annotations": annotations}})

    def pod(self, name: str) -> Raw | None:
        return self.client.get(PODS, Key("default", name))

    def ready(self, name: str) -> Raw:
        return wait_until(lambda: self._ready(name))

    def delete(self, name: str, grace_s: int | None = None) -> None:
        self.client.delete(PODS, Key("default", name), grace_period_s=grace_s)

    def gone(self, name: str, timeout_s: float = 20.0) -> None:
        wait_until(lambda: self.pod(name) is None, timeout_s)

    def output(self, pod: Raw, container: str, restarts: int = 0) -> str:
        """What a container's command has said."""
        meta = pod["metadata"]
        folder = RUN / "logs" / f"{meta['namespace']}_{meta['name']}_{meta['uid']}" / container
        lines = (folder / f"{restarts}.log").read_text().splitlines() if folder.is_dir() else []
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def _ready(self, name: str) -> Raw | None:
        pod = self.pod(name)
        conditions = ((pod or {}).get("status") or {}).get("conditions") or []
        return pod if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

    def _network(self, node: str) -> PodNetwork:
        self._given[node] += 1
        number = self._given[node]
        address = addressing.address(self.plan.node(node).pod_cidrs[0], number)
        return PodNetwork((str(address),), addressing.host_mac(address), 16 + number)

    def _spawn(self, name: str, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self.state / f"{name}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *argv], stdout=log, stderr=log)

    def _build_network(self) -> None:
        (group,) = self.plan.groups
        self.switchd = Switchd.start(RUN / "switchd" / group.name, group.namespace)
        namespaces = LinuxNamespaces()
        namespaces.create([node.namespace for node in self.plan.nodes])
        namespaces.connect([self.plan.link_of(node) for node in self.plan.nodes])
        for node in self.plan.nodes:
            bridge, port = node.bridge.name, node.port
            kind = f"datapath_type={self.switchd.datapath_type}"
            mode = ["--", "set", "bridge", bridge, kind, "fail_mode=standalone"]
            at = ["--", "set", "Interface", port.interface, f"ofport_request={port.number}"]
            self.switchd.vsctl("add-br", bridge, *mode, "--", "add-port", bridge, port.interface, *at)
            gateway = ipaddress.ip_interface(f"{node.pod_gateways[0]}/{node.pod_cidrs[0].prefixlen}")
            with inside(node.namespace):
                subprocess.run(["ip", "addr", "add", str(gateway), "dev", "eth0"], check=True)
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
