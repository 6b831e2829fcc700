"""A lab's policies: written to the API, programmed by the controller."""

from __future__ import annotations

import time
from contextlib import ExitStack

from experiments.passing import OPEN, QUIET_S
from experiments.policy_scaling.parameters import PODWIRE
from experiments.policy_scaling.policies import LET_IN, NEWCOMER, PlannedPolicy, policy_object
from experiments.policy_scaling.systems import Came, Site, watching
from experiments.scaling.lab_side import LabSide
from experiments.scaling.services import TARGET_PORT
from k8sshim.client import NETWORK_POLICIES, PODS
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Pod, Raw
from lab.waiting import wait_until

_POD_S = 30.0  # for a pod to have an address, and to end


class LabPolicies:
    """The system under test."""

    name = PODWIRE

    def __init__(self, site: Site, lab: LabSide, namespace: str, node: str) -> None:
        self.site = site
        self._lab, self._namespace, self._node = lab, namespace, node
        self._made = dict[str, PlannedPolicy]()
        self._came = 0

    def add(self, *policies: PlannedPolicy) -> float:
        """The last one is written when all others are."""
        self._lab.each(self._create, policies[:-1])
        begin = time.monotonic()
        for one in policies[-1:]:
            self._create(one)
        self._made |= {one.name: one for one in policies}
        return begin

    def remove(self, *policies: PlannedPolicy) -> None:
        for one in policies:
            if self._made.pop(one.name, None):
                self._delete(one)

    def clear(self) -> None:
        self._lab.each(self._delete, self._made.values())
        self._made.clear()

    def newcomer(self) -> Came:
        """From the pod's creation until it is reached, with a policy about such pods in force."""
        self.add(LET_IN)
        self._came += 1
        key = Key(self._namespace, f"newcomer-{self._came}")
        try:
            return self._come(key)
        finally:
            if not wait_until(lambda: self._lab.client.get(PODS, key) is None, _POD_S):
                raise PodwireError(f"Pod {key} does not end")
            self.remove(LET_IN)

    def _come(self, key: Key) -> Came:
        with ExitStack() as undo:
            watcher = watching(self.site, (self.site.place.client, self.site.stranger), undo)
            begin = time.monotonic()
            self._lab.client.create(PODS, _pod(key, self._node))
            undo.callback(self._lab.client.delete, PODS, key, grace_period_s=0)
            watcher.aim(self._address(key))
            covered_s = watcher.until(0, OPEN) - begin
            time.sleep(QUIET_S)  # for a connection that should not pass to be heard of
            return Came(covered_s, watcher.passed()[1] > 0)

    def _address(self, key: Key) -> str:
        """The new pod's, as soon as it has one."""
        deadline = time.monotonic() + _POD_S
        while time.monotonic() < deadline:
            raw = self._lab.client.get(PODS, key)
            if raw and (address := Pod.parse(raw).ip):
                return address
        raise PodwireError(f"Pod {key} has no address after {_POD_S:g} s")

    def _create(self, one: PlannedPolicy) -> None:
        self._lab.client.create(NETWORK_POLICIES, policy_object(one, self._namespace))

    def _delete(self, one: PlannedPolicy) -> None:
        self._lab.client.delete(NETWORK_POLICIES, Key(self._namespace, one.name))

    def entries(self) -> int:
        return self._lab.entries()

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        return self._lab.memory_mib()

    def forget_cached(self) -> None:
        self._lab.forget_cached()


def _pod(key: Key, node: str) -> Raw:
    container = {"name": "server", "image": "podwire/server", "ports": [{"containerPort": TARGET_PORT}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": dict([NEWCOMER])},
        "spec": {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]},
    }
