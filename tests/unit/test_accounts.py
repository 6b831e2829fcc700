"""The ServiceAccount `default`, on a cluster in memory."""

from __future__ import annotations

import pytest
from fake_api import Cluster

from k8sshim.client import NAMESPACES, SERVICE_ACCOUNTS
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
SHOP: Raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
DEFAULT = Key("shop", "default")


def test_every_namespace_has_one_which_comes_back() -> None:
    cluster = Cluster()
    cluster.api.create(NAMESPACES, SHOP)
    cluster.run()
    assert (SERVICE_ACCOUNTS, DEFAULT) in cluster.api.objects
    cluster.api.delete(SERVICE_ACCOUNTS, DEFAULT)
    cluster.run()
    assert (SERVICE_ACCOUNTS, DEFAULT) in cluster.api.objects


def test_one_that_is_there_stays_as_it_is() -> None:
    cluster = Cluster()
    account = cluster.api.create(SERVICE_ACCOUNTS, {"metadata": {"namespace": "shop", "name": "default"}})
    cluster.api.create(NAMESPACES, SHOP)
    cluster.run()
    assert cluster.api.objects[SERVICE_ACCOUNTS, DEFAULT] == account
    assert not cluster.writes


def test_a_namespace_that_ends_gets_none() -> None:
    cluster = Cluster()
    ending = {**SHOP, "metadata": {"name": "shop", "deletionTimestamp": "2024-05-01T00:00:00Z"}}
    cluster.api.create(NAMESPACES, ending)
    cluster.run()
    assert not cluster.writes
