"""Renews each node's Lease: as long as it is renewed the node is there.

https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from datetime import datetime, timezone

from k8sshim.client import LEASES, Absent
from k8sshim.errors import Conflict, PodwireError
from k8sshim.objects import Key, Raw
from topo.agent.reporter import Api
from topo.failure_spec import RENEWALS_A_SECOND, NodeLease

log = logging.getLogger(__name__)
NAMESPACE = "kube-node-lease"


class Leases:
    """The Leases of an agent's nodes, renewed one after another over each period."""

    def __init__(
        self,
        api: Api,
        lease: NodeLease,
        executor: Executor,
        *,
        dead: Callable[[], Collection[str]],
        renewed: Callable[[str], None],
    ) -> None:
        """`renewed` is called with a node's name whenever its lease was: whoever took it for dead knows better now."""
        self._api, self._lease, self._executor = api, lease, executor
        self._dead, self._renewed = dead, renewed

    async def run(self, nodes: Sequence[str]) -> None:
        """Renew for ever; many nodes' first leases come one after another."""
        await asyncio.gather(*(self._keep(node, place / RENEWALS_A_SECOND) for place, node in enumerate(nodes)))

    async def renew(self, node: str) -> None:
        """Renew one Lease now, or make it; a server that is away is not waited for."""
        if node in self._dead():
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._write, node)
        except PodwireError as error:
            log.warning("lease of node %s: %s", node, error)
            return
        self._renewed(node)

    async def _keep(self, node: str, first_s: float) -> None:
        due = time.monotonic() + first_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - self._lease.renew_s) + self._lease.renew_s
            await self.renew(node)

    def _write(self, node: str) -> None:
        if node in self._dead():
            return
        spec = {
            "holderIdentity": node,
            "leaseDurationSeconds": self._lease.duration_s,
            "renewTime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        try:
            self._api.patch(LEASES, Key(NAMESPACE, node), {"spec": spec})
        except Absent:
            try:
                self._api.create(LEASES, lease_object(node, spec))
            except Conflict:
                self._api.patch(LEASES, Key(NAMESPACE, node), {"spec": spec})


def lease_object(node: str, spec: Raw) -> Raw:
    """The Lease of a node as it is created."""
    metadata = {"namespace": NAMESPACE, "name": node}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
