"""Kubernetes' own tests of NetworkPolicy, [sig-network] Netpol: each by its name, with real packets of all nine pods.

Every pod is asked at its own address and by its Service's, as in Kubernetes' own tests. The three by SCTP run where the
kernel has SCTP: tests/netns/test_netpol_sctp.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from laboratory import Laboratory
from netpol import BETWEEN, USING_UDP
from netpol_lab import PolicyLab

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def built(laboratory: Laboratory) -> Iterator[PolicyLab]:
    one = PolicyLab.build(laboratory.up("netpol"))
    yield one
    one.close()


@pytest.fixture
def cluster(built: PolicyLab) -> Iterator[PolicyLab]:
    """The lab, with no policy in it."""
    yield built
    built.clear()


@pytest.mark.parametrize("name", BETWEEN.scenarios, ids=list(BETWEEN.scenarios))
def test_between_server_and_client(cluster: PolicyLab, name: str) -> None:
    BETWEEN.scenarios[name](cluster)


@pytest.mark.parametrize("name", USING_UDP.scenarios, ids=list(USING_UDP.scenarios))
def test_between_server_and_client_using_udp(cluster: PolicyLab, name: str) -> None:
    USING_UDP.scenarios[name](cluster)
