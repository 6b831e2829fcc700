"""The API server's write half without HTTP: a store in a folder, a clock that stands, deferred work run on demand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

from k8sshim import validation
from k8sshim.cluster import NODE_PORTS
from k8sshim.kinds import find
from k8sshim.objects import Key, Raw
from k8sshim.records import Record
from k8sshim.server.lifecycle import DeleteOptions, Lifecycle
from k8sshim.server.patches import merge_patch
from k8sshim.server.resources import storage_name
from k8sshim.server.routing import Target
from k8sshim.server.selection import fields_of
from k8sshim.server.services import ServiceAllocator
from k8sshim.server.writes import Chance, Writer
from k8sshim.store import ALL, Store

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
_VERSIONS = dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"), "apps/v1")
_VERSIONS["EndpointSlice"] = "discovery.k8s.io/v1"


def target(kind: str, name: str = "", namespace: str = "default", subresource: str = "", version: str = "") -> Target:
    found = find(version or _VERSIONS.get(kind, "v1"), kind)
    assert found is not None
    return Target(found, namespace if found.namespaced else "", name, subresource)


def pod(name: str, **spec: Any) -> Raw:
    containers = [{"name": "main", "image": "registry.example/app:1"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def workload(name: str, replicas: int | None = None) -> Raw:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    spec: Raw = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec if replicas is None else spec | {"replicas": replicas}}


def service(name: str, *ports: int, **spec: Any) -> Raw:
    declared = [{"port": port, "name": f"p{port}"} for port in ports or (80,)]
    return {"metadata": {"name": name}, "spec": {"ports": declared, "selector": {"app": name}, **spec}}


class World:
    """`run()` does what the server does between requests."""

    def __init__(self, folder: Path, *cidrs: str, node_ports: tuple[int, int] = NODE_PORTS) -> None:
        self.deferred: list[Callable[[], None]] = []
        self.store = Store.open(folder / "store.sqlite", fields_of)
        uids, suffixes = count(1), count(1)
        self.lifecycle = Lifecycle(self.store, lambda: NOW, self.deferred.append)
        self.store.subscribe(ALL, self.lifecycle.on_event)
        services = ServiceAllocator(cidrs or ("10.96.0.0/16",), self.store, node_ports)
        start = self.store.version
        chance = Chance(lambda: NOW, lambda: f"uid-{start}-{next(uids)}", lambda: f"{next(suffixes):05}")
        self.writer = Writer(self.store, services, self.lifecycle, chance, validation.problems)
        if not self.exists("Namespace", "default", ""):
            self.create("Namespace", {"metadata": {"name": "default"}})

    def run(self) -> None:
        while self.deferred:
            self.deferred.pop(0)()

    def create(self, kind: str, raw: Raw, namespace: str = "default", **options: Any) -> Raw:
        return self.writer.create(target(kind, namespace=namespace), raw, **options).decode()

    def update(self, kind: str, raw: Raw, subresource: str = "") -> Raw:
        metadata = raw["metadata"]
        where = target(kind, metadata["name"], metadata.get("namespace") or "default", subresource)
        return self.writer.update(where, raw).decode()

    def patch(self, kind: str, name: str, patch: Raw, subresource: str = "") -> Raw:
        where = target(kind, name, subresource=subresource)
        return self.writer.patch(where, lambda raw: merge_patch(raw, patch)).decode()

    def delete(self, kind: str, name: str, namespace: str = "default", **options: Any) -> Record:
        return self.writer.delete(target(kind, name, namespace), DeleteOptions(**options))

    def bind(self, name: str, node: str = "n1") -> None:
        self.writer.bind(target("Pod", name), {"target": {"kind": "Node", "name": node}})

    def get(self, kind: str, name: str, namespace: str = "default") -> Raw:
        where = target(kind, name, namespace)
        record = self.store.get(where.resource, Key(where.namespace, name))
        assert record is not None, f"{kind} {name} is not there"
        return record.decode()

    def exists(self, kind: str, name: str, namespace: str = "default") -> bool:
        where = target(kind, name, namespace)
        return self.store.get(storage_name(where.kind), where.key) is not None
