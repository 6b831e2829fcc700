"""The table of kinds against a second source: the classes that lightkube generates from Kubernetes' API description."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import lightkube.resources
import pytest
from lightkube.core import resource as lightkube_resource

from k8sshim import kinds

pytestmark = pytest.mark.unit

BESIDE_KUBERNETES = {"Cluster", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"}


def published() -> Iterator[Any]:
    for module in pkgutil.iter_modules(lightkube.resources.__path__):
        for each in vars(importlib.import_module(f"lightkube.resources.{module.name}")).values():
            if isinstance(each, type) and hasattr(each, "_api_info") and each._api_info.parent is None:
                yield each


def test_table_says_what_kubernetes_says() -> None:
    compared = 0
    for each in published():
        info = each._api_info
        group, version, name = info.resource.group or "", info.resource.version, info.resource.kind
        kind = kinds.find(f"{group}/{version}" if group else version, name)
        if kind is None:
            assert kinds.api_versions(name), f"{name} is in no version of the table"
            continue
        compared += 1
        namespaced = issubclass(each, lightkube_resource.NamespacedResource)
        assert (kind.plural, kind.namespaced, kind.has_status, kind.has_scale, kind.stored) == (
            info.plural,
            namespaced,
            hasattr(each, "Status"),
            hasattr(each, "Scale"),
            "get" in info.verbs,
        ), kind
    assert compared == len(kinds.KINDS) - len(BESIDE_KUBERNETES)


def test_names_are_unique_in_a_version() -> None:
    names = [(kind.api_version, kind.plural) for kind in kinds.KINDS]
    assert len(set(names)) == len(names)


def test_what_is_acted_on_exists() -> None:
    assert all(kinds.find(*entry) for entry in kinds.ACTED_ON)
