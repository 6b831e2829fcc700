"""One suite, run by each client that people use: the official Python one, lightkube, kr8s, and npm's.

What each step expects is what https://kubernetes.io/docs/reference/using-api/api-concepts/ says of the verb; how a
client tells a conflict or an absence is its own (`ApiException`, `ApiError`, `ServerError`/`NotFoundError`; npm's
`@kubernetes/client-node` answers from a process of its own, client_node.mjs).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import kr8s
import kubernetes
import lightkube
import pytest
from api_process import ApiProcess
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

pytestmark = pytest.mark.contract
HERE = Path(__file__).parent
NODE_MODULES = Path(os.environ.get("PODWIRE_NODE_MODULES") or HERE.parents[1] / ".venv" / "node")  # what holds them


class Client(Protocol):
    """A client at ConfigMaps of the namespace default. `create` and `get` give the HTTP code of a refusal instead."""

    def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> int: ...

    def get(self, name: str) -> dict[str, str] | int: ...

    def names(self, selector: str) -> list[str]: ...

    def patch(self, name: str, data: dict[str, str]) -> None: ...

    def delete(self, name: str) -> None: ...

    def watch(self, selector: str) -> Iterator[tuple[str, str]]: ...


class Official:
    def __init__(self, kubeconfig: str) -> None:
        self.core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(kubeconfig))

    def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> int:
        try:
            self.core.create_namespaced_config_map(
                "default", {"metadata": {"name": name, "labels": labels}, "data": data}
            )
        except kubernetes.client.ApiException as error:
            return int(error.status)
        return 201

    def get(self, name: str) -> dict[str, str] | int:
        try:
            found: dict[str, str] = self.core.read_namespaced_config_map(name, "default").data
        except kubernetes.client.ApiException as error:
            return int(error.status)
        return found

    def names(self, selector: str) -> list[str]:
        return [
            each.metadata.name
            for each in self.core.list_namespaced_config_map("default", label_selector=selector).items
        ]

    def patch(self, name: str, data: dict[str, str]) -> None:
        self.core.patch_namespaced_config_map(name, "default", {"data": data})

    def delete(self, name: str) -> None:
        self.core.delete_namespaced_config_map(name, "default")

    def watch(self, selector: str) -> Iterator[tuple[str, str]]:
        stream = kubernetes.watch.Watch().stream(
            self.core.list_namespaced_config_map, "default", label_selector=selector, timeout_seconds=20
        )
        for event in stream:
            yield event["type"], event["object"].metadata.name


class Lightkube:
    def __init__(self, kubeconfig: str) -> None:
        self.client = lightkube.Client(lightkube.KubeConfig.from_file(kubeconfig), field_manager="suite")

    def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> int:
        try:
            self.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels=labels), data=data))
        except lightkube.ApiError as error:
            return int(error.status.code)
        return 201

    def get(self, name: str) -> dict[str, str] | int:
        try:
            return dict(self.client.get(ConfigMap, name, namespace="default").data or {})
        except lightkube.ApiError as error:
            return int(error.status.code)

    def names(self, selector: str) -> list[str]:
        labels: Any = dict([selector.split("=")])
        return [str(each.metadata.name) for each in self.client.list(ConfigMap, namespace="default", labels=labels)]

    def patch(self, name: str, data: dict[str, str]) -> None:
        self.client.patch(ConfigMap, name, {"data": data}, namespace="default")

    def delete(self, name: str) -> None:
        self.client.delete(ConfigMap, name, namespace="default")

    def watch(self, selector: str) -> Iterator[tuple[str, str]]:
        labels: Any = dict([selector.split("=")])
        for kind, found in self.client.watch(ConfigMap, namespace="default", labels=labels):
            yield kind, str(found.metadata.name)


class Kr8s:
    def __init__(self, kubeconfig: str) -> None:
        self.api = kr8s.api(kubeconfig=kubeconfig)

    def _object(self, name: str, **parts: Any) -> Any:
        metadata = {"name": name, "namespace": "default", **parts.pop("metadata", {})}
        return kr8s.objects.ConfigMap({"metadata": metadata, **parts}, api=self.api)

    def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> int:
        try:
            self._object(name, metadata={"labels": labels}, data=data).create()
        except kr8s.ServerError as error:
            return int(error.response.status_code)
        return 201

    def get(self, name: str) -> dict[str, str] | int:
        try:
            return dict(kr8s.objects.ConfigMap.get(name, namespace="default", api=self.api).raw["data"])
        except kr8s.NotFoundError:
            return 404

    def names(self, selector: str) -> list[str]:
        return [each.name for each in self.api.get("configmaps", namespace="default", label_selector=selector)]

    def patch(self, name: str, data: dict[str, str]) -> None:
        self._object(name).patch({"data": data})

    def delete(self, name: str) -> None:
        self._object(name).delete()

    def watch(self, selector: str) -> Iterator[tuple[str, str]]:
        for kind, found in self.api.watch("configmaps", namespace="default", label_selector=selector):
            yield kind, found.name


class ClientNode:
    """`@kubernetes/client-node`: a verb is a line of JSON to its process, and what it gives a line back."""

    def __init__(self, kubeconfig: str) -> None:
        if shutil.which("node") is None or not (NODE_MODULES / "node_modules" / "@kubernetes" / "client-node").is_dir():
            pytest.skip("npm's @kubernetes/client-node is not installed (tools/setup --test does it where npm is)")
        argv = ["node", str(HERE / "client_node.mjs"), str(NODE_MODULES), kubeconfig]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events: list[Any] = []

    def _hear(self, what: str) -> Any:
        """The next answer; events that come before it are kept. Or the next event."""
        assert self.process.stdout is not None
        while True:
            said = json.loads(self.process.stdout.readline())
            if what in said:
                return said[what]
            self.events.append(said["event"])

    def _ask(self, verb: str, **given: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"verb": verb, **given}) + "\n")
        self.process.stdin.flush()
        return self._hear("answer")

    def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> int:
        return int(self._ask("create", name=name, data=data, labels=labels))

    def get(self, name: str) -> dict[str, str] | int:
        found: dict[str, str] | int = self._ask("get", name=name)
        return found

    def names(self, selector: str) -> list[str]:
        return list(self._ask("names", selector=selector))

    def patch(self, name: str, data: dict[str, str]) -> None:
        assert self._ask("patch", name=name, data=data) is None

    def delete(self, name: str) -> None:
        assert self._ask("delete", name=name) is None

    def watch(self, selector: str) -> Iterator[tuple[str, str]]:
        self._ask("watch", selector=selector)
        while True:
            kind, name = self.events.pop(0) if self.events else self._hear("event")
            yield kind, name

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=[Official, Lightkube, Kr8s, ClientNode])
def client(request: pytest.FixtureRequest, shared_api_server: ApiProcess) -> Iterator[Client]:
    made: Client = request.param(str(shared_api_server.kubeconfig))
    yield made
    if isinstance(made, ClientNode):
        made.close()


def test_the_life_of_an_object(client: Client) -> None:
    name = type(client).__name__.lower()
    labels = {"client": name}
    assert client.create(name, {"a": "1"}, labels) == 201
    assert client.create(name, {"a": "2"}, labels) == 409
    assert client.get(name) == {"a": "1"}
    client.patch(name, {"b": "2"})
    assert client.get(name) == {"a": "1", "b": "2"}
    assert client.create(f"{name}-2", {}, {"client": "another"}) == 201
    assert client.names(f"client={name}") == [name]
    client.delete(f"{name}-2")
    client.delete(name)
    assert client.get(name) == 404
    assert client.names(f"client={name}") == []


def test_a_watch_tells_of_what_is_selected(client: Client) -> None:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes"""
    name = f"watched-{type(client).__name__.lower()}"
    client.create(name, {"a": "1"}, {"watched": name})
    events = client.watch(f"watched={name}")
    assert next(events) == ("ADDED", name)
    client.patch(name, {"a": "2"})
    assert next(events) == ("MODIFIED", name)
    client.delete(name)
    assert next(events) == ("DELETED", name)
