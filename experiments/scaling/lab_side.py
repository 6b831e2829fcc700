"""What a lab is asked by every experiment that grows: objects written a few at once, flows counted, memory weighed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil

from experiments.inside import Sandbox
from k8sshim.client import Client
from topo.plan import Plan

_WRITERS = 4
_FOLDER = "/run/podwire/switchd"
_PARTS = {"ovs-vswitchd": "ovs-vswitchd", "controller": "controller.app", "API server": "k8sshim.server"}
Given = TypeVar("Given")
Made = TypeVar("Made")


class LabSide:
    """A lab's API and some of its bridges."""

    def __init__(self, sandbox: Sandbox, kubeconfig: Path, plan: Plan, nodes: Sequence[str]) -> None:
        self.sandbox = sandbox
        self._kubeconfig = kubeconfig
        bridges = [plan.node(node).bridge.name for node in nodes]
        self._bridges = [(f"{_FOLDER}/{plan.group_of[name].name}", name) for name in bridges]
        self._local = threading.local()

    @property
    def client(self) -> Client:
        """One for each thread."""
        if not hasattr(self._local, "client"):
            self._local.client = Client(self._kubeconfig)
        found: Client = self._local.client
        return found

    def each(self, act: Callable[[Given], Made], of: Iterable[Given]) -> list[Made]:
        """Do it to all, a few at once."""
        with ThreadPoolExecutor(_WRITERS) as pool:
            return list(pool.map(act, of))

    def entries(self) -> int:
        """Flows and groups of the bridges."""
        flows = (self._ofctl("dump-aggregate", *one).partition("flow_count=")[2].split()[0] for one in self._bridges)
        return sum(map(int, flows)) + sum(self._ofctl("dump-groups", *one).count("group_id=") for one in self._bridges)

    def forget_cached(self) -> None:
        """Empty the switches' caches of decisions: the next packets are looked up in all tables.

        While nobody else talks, in the kernel's datapath: docs/decisions/policies-as-flows.md tells why.
        """
        for folder in dict.fromkeys(folder for folder, _ in self._bridges):
            self.sandbox.must(["ovs-appctl", "-t", f"{folder}/ovs-vswitchd.ctl", "revalidator/purge"])

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        """Proportional set sizes: of all that the lab runs, and of parts."""
        sizes = {"all": 0.0, "ovs-vswitchd": 0.0, "controller": 0.0, "API server": 0.0}
        for process in psutil.Process(self.sandbox.pid).children(recursive=True):
            try:
                name, words, size = process.name(), process.cmdline(), process.memory_full_info().pss / 2**20
            except psutil.Error:  # ended meanwhile
                continue
            sizes["all"] += size
            for part, told in _PARTS.items():
                if told in (name, *words):
                    sizes[part] += size
        return tuple(sizes.items())

    def _ofctl(self, command: str, folder: str, bridge: str) -> str:
        target = f"unix:{folder}/{bridge}.mgmt"
        return self.sandbox.must(["ovs-ofctl", "--protocols=OpenFlow14", command, target], timeout_s=60)
