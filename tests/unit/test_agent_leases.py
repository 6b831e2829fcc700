"""The agent's leases: made, renewed, and left alone where a node is dead."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from k8sshim.client import Absent
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw
from topo.agent.leases import Leases
from topo.failure_spec import NodeLease, usual_lease

pytestmark = pytest.mark.unit


class Api:
    """Leases by name, and what was asked."""

    def __init__(self) -> None:
        self.held: dict[str, Raw] = {}
        self.away = False

    def create(self, resource: Any, raw: Raw) -> Raw:
        self.held[raw["metadata"]["name"]] = raw
        return raw

    def patch(self, resource: Any, key: Any, patch: Raw) -> Raw:
        if self.away:
            raise PodwireError("the server is away")
        if key.name not in self.held:
            raise Absent(f"{key} not found")
        self.held[key.name] |= patch
        return self.held[key.name]


def test_a_lease_is_made_and_renewed_and_who_lives_is_told() -> None:
    api, renewed = Api(), list[str]()

    async def story() -> None:
        with ThreadPoolExecutor(1) as pool:
            lease = NodeLease(4, 1)
            kept = Leases(api, lease, pool, dead=lambda: {"n2"}, renewed=renewed.append)  # type: ignore[arg-type]
            await kept.renew("n1")
            await kept.renew("n2")
            assert (list(api.held), renewed) == (["n1"], ["n1"])
            assert api.held["n1"]["metadata"] == {"namespace": "kube-node-lease", "name": "n1"}
            assert api.held["n1"]["spec"]["leaseDurationSeconds"] == 4
            first = api.held["n1"]["spec"]["renewTime"]
            api.away = True
            await kept.renew("n1")
            assert renewed == ["n1"]
            api.away = False
            await kept.renew("n1")
            assert (api.held["n1"]["spec"]["renewTime"] > first, renewed) == (True, ["n1", "n1"])

    asyncio.run(story())


@pytest.mark.parametrize(("nodes", "renewals_a_second"), [(1, 0.2), (3, 0.6), (1000, 25.0)])
def test_many_nodes_renew_less_often(nodes: int, renewals_a_second: float) -> None:
    lease = usual_lease(nodes)
    assert nodes / lease.renew_s == pytest.approx(renewals_a_second)
    assert lease.duration_s == pytest.approx(4 * lease.renew_s)
