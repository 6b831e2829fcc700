"""The agent's leases: made, renewed, left alone where a node is dead, and what follows a lease that ran out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from k8sshim.client import Absent
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw
from topo.agent import leases
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


def test_a_lease_is_made_renewed_and_said_to_have_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now, api, dead, missed = [100.0], Api(), {"n2"}, list[str]()
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])

    async def story() -> None:
        with ThreadPoolExecutor(1) as pool:
            kept = Leases(api, NodeLease(4, 1), pool, dead=lambda: dead, missed=missed.append)  # type: ignore[arg-type]
            await kept.renew("n1")
            await kept.renew("n2")
            assert list(api.held) == ["n1"]
            assert api.held["n1"]["metadata"] == {"namespace": "kube-node-lease", "name": "n1"}
            assert api.held["n1"]["spec"]["leaseDurationSeconds"] == 4
            first = api.held["n1"]["spec"]["renewTime"]
            now[0] += 3
            await kept.renew("n1")
            assert (api.held["n1"]["spec"]["renewTime"] > first, missed) == (True, [])
            api.away, now[0] = True, now[0] + 5
            await kept.renew("n1")
            assert missed == []
            api.away = False
            await kept.renew("n1")
            assert missed == ["n1"]

    asyncio.run(story())


@pytest.mark.parametrize(("nodes", "renewals_a_second"), [(1, 0.2), (3, 0.6), (1000, 25.0)])
def test_many_nodes_renew_less_often(nodes: int, renewals_a_second: float) -> None:
    lease = usual_lease(nodes)
    assert nodes / lease.renew_s == pytest.approx(renewals_a_second)
    assert lease.duration_s == pytest.approx(4 * lease.renew_s)
