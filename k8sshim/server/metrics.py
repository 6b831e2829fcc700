"""The group `metrics.k8s.io`: what containers use now, asked of their nodes' agents when somebody asks.

https://github.com/kubernetes/metrics; a node's usage is that of its pods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.records import Record
from k8sshim.store import Store

from .admission import timestamp
from .resources import NODES, PODS
from .responses import json_response
from .routing import Target
from .selection import parse as parse_selection
from .status import not_found
from .streams.nodes import Nodes

GROUP = "metrics.k8s.io"
_WINDOW = "250ms"


def _kind(name: str, plural: str, *, namespaced: bool) -> Kind:
    return Kind(GROUP, "v1beta1", name, plural, "", (), namespaced, False, False, False, True)


NODE_METRICS = _kind("NodeMetrics", "nodes", namespaced=False)
POD_METRICS = _kind("PodMetrics", "pods", namespaced=True)
KINDS = (NODE_METRICS, POD_METRICS)


@dataclass(frozen=True)
class Metrics:
    """Answers questions about usage."""

    store: Store
    nodes: Nodes
    now: Callable[[], datetime]

    async def answer(self, target: Target, query: Mapping[str, str]) -> Response:
        """An object, or a list of them. Raises ApiError 404."""
        kind = NODES if target.kind is NODE_METRICS else PODS
        selection = parse_selection(kind, target.namespace, target.name, query)
        usage = await self.nodes.usage()
        records = [record for record in selection.records(self.store) if kind is NODES or _runs(record)]
        make = self._of_node if kind is NODES else self._of_pod
        items = [make(record, usage) for record in records]
        if not target.name:
            head = {"kind": f"{target.kind.kind}List", "apiVersion": target.kind.api_version}
            return json_response(head | {"metadata": {}, "items": items})
        if not items:
            raise not_found(target.kind, target.name)
        return json_response(items[0])

    def _of_node(self, record: Record, usage: list[Raw]) -> Raw:
        mine = [each for each in usage if each["node"] == record.key.name]
        return self._head(NODE_METRICS, record) | {"usage": _summed(mine)}

    def _of_pod(self, record: Record, usage: list[Raw]) -> Raw:
        by_container: dict[str, list[Raw]] = defaultdict(list)
        for each in usage:
            if (each["namespace"], each["pod"]) == (record.key.namespace, record.key.name):
                by_container[each["container"]].append(each)
        containers = [{"name": name, "usage": _summed(parts)} for name, parts in by_container.items()]
        return self._head(POD_METRICS, record) | {"containers": containers}

    def _head(self, kind: Kind, record: Record) -> Raw:
        moment = timestamp(self.now())
        metadata: dict[str, Any] = {"name": record.key.name, "creationTimestamp": moment, "labels": dict(record.labels)}
        if record.key.namespace:
            metadata["namespace"] = record.key.namespace
        head = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return head | {"timestamp": moment, "window": _WINDOW}


def _runs(record: Record) -> bool:
    return record.fields.get("status.phase") == "Running"


def _summed(parts: Iterable[Raw]) -> Raw:
    listed = list(parts)
    cpu, memory = sum(each["nanocores"] for each in listed), sum(each["bytes"] for each in listed)
    return {"cpu": f"{cpu}n", "memory": f"{memory // 1024}Ki"}
