"""Endpoints (v1), the form that EndpointSlices have replaced, for `kubectl get endpoints` and `kubectl describe
service`.

https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from k8sshim import endpoints
from k8sshim.objects import Key, Raw

MANAGED_BY_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def is_own(raw: Raw) -> bool:
    """Whether Endpoints are ours, and not written by hand."""
    return (raw["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER


def wanted(service: Raw, pods: Iterable[Raw], old: Raw | None) -> Raw | None:
    """A Service's Endpoints; None where the existing ones say it already."""
    family = endpoints.address_types(service)[0]
    groups = sorted(endpoints.by_ports(service, family, pods).items())
    subsets = [_subset(json.loads(ports), list(group.values())) for ports, group in groups]
    key = Key.of(service)
    metadata = old["metadata"] if old else {"namespace": key.namespace, "name": key.name}
    labels = {**(service["metadata"].get("labels") or {}), MANAGED_BY_LABEL: MANAGER}
    new: Raw = {
        **(old or {"apiVersion": "v1", "kind": "Endpoints"}),
        "metadata": {**metadata, "labels": labels},
        "subsets": [subset for subset in subsets if len(subset) > 1],
    }
    return None if new == old else new


def _subset(ports: list[Raw], group: list[Raw]) -> Raw:
    """One subset: what is on its way out stands in neither list (unless the Service publishes what is not ready)."""
    group = sorted(group, key=lambda each: str(each["addresses"][0]))
    ready = [each for each in group if each["conditions"]["ready"]]
    waiting = [each for each in group if not each["conditions"]["ready"] and not each["conditions"]["terminating"]]
    subset: Raw = {"ports": [{name: value for name, value in port.items() if value != ""} for port in ports]}
    for name, members in (("addresses", ready), ("notReadyAddresses", waiting)):
        if members:
            subset[name] = [_address(each) for each in members]
    return subset


def _address(endpoint: Raw) -> Raw:
    return {"ip": endpoint["addresses"][0], "nodeName": endpoint["nodeName"], "targetRef": endpoint["targetRef"]}
