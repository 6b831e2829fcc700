"""A node agent without a network: says of every bound pod that it runs and is ready, and ends those that are to go."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

from k8sshim.client import NODES, PODS, Client, Deleted, Informer, Synced, Unreachable
from k8sshim.client import Event as Change
from k8sshim.errors import PodwireError
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw

READY = [{"type": "Ready", "status": "True"}]


def node(number: int, **spec: object) -> Raw:
    """A node that is Ready, with a podCIDR of its own."""
    name = f"n{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": f"10.244.{number}.0/24", "podCIDRs": [f"10.244.{number}.0/24"], **spec},
        "status": {"conditions": READY, "addresses": [{"type": "InternalIP", "address": f"172.18.0.{number + 1}"}]},
    }


class FakeAgent:
    """All nodes' agent. `holds_back` names pods that run and are not ready."""

    def __init__(self, client: Client, nodes: int, holds_back: Callable[[str], bool] = lambda name: False) -> None:
        self._client = client
        self._holds_back = holds_back
        self._pool = ThreadPoolExecutor(4)
        self._ended = Event()
        self._informer = Informer(client, PODS, self._on_event)
        for number in range(1, nodes + 1):
            client.create(NODES, node(number))

    def __enter__(self) -> FakeAgent:
        self._informer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._informer.stop()
        self._informer.join(5)
        self._pool.shutdown(cancel_futures=True)

    def _on_event(self, event: Change) -> None:
        if not isinstance(event, (Synced, Deleted)) and event.raw["spec"].get("nodeName"):
            self._pool.submit(self._serve, event.raw)

    def _serve(self, pod: Raw) -> None:
        with suppress(PodwireError):  # it changed meanwhile: that is another event
            while not self._ended.is_set():
                try:
                    self._tell(pod)
                    return
                except Unreachable:  # no other event may follow
                    self._ended.wait(0.05)

    def _tell(self, pod: Raw) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._client.delete(PODS, Key.of(pod), grace_period_s=0)
        elif pod["status"].get("phase") == "Pending":
            self._client.update_status(PODS, {**pod, "status": self._status(pod)})

    def _status(self, pod: Raw) -> Raw:
        network = PodNetwork.claimed((pod["metadata"].get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
        addresses = network.addresses if network else ()
        return {
            "phase": "Running" if network else "Pending",
            "conditions": [] if self._holds_back(pod["metadata"]["name"]) else READY,
            "podIP": addresses[0] if addresses else "",
            "podIPs": [{"ip": address} for address in addresses],
        }
