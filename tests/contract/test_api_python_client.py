"""The official `kubernetes` Python package against the API server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from api_process import ApiProcess

kubernetes = pytest.importorskip("kubernetes")

pytestmark = pytest.mark.contract


@pytest.fixture
def client(api_server: ApiProcess) -> Iterator[Any]:
    api_client = kubernetes.config.new_client_from_config(str(api_server.kubeconfig))
    with api_client:
        yield api_client


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "registry.example/app:1"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def test_create_read_list_replace_patch_delete(client: Any) -> None:
    core = kubernetes.client.CoreV1Api(client)
    made = core.create_namespaced_pod("default", pod("web", app="web"))
    assert (made.metadata.name, made.status.phase, made.spec.dns_policy) == ("web", "Pending", "ClusterFirst")
    core.create_namespaced_pod("default", pod("other", app="other"))
    listed = core.list_pod_for_all_namespaces(label_selector="app in (web)")
    assert [item.metadata.name for item in listed.items] == ["web"]
    core.patch_namespaced_pod("web", "default", {"metadata": {"labels": {"more": "yes"}}})
    with pytest.raises(kubernetes.client.ApiException) as raised:
        core.replace_namespaced_pod("web", "default", made)
    assert (raised.value.status, raised.value.reason) == (409, "Conflict")
    read = core.read_namespaced_pod("web", "default")
    assert read.metadata.labels == {"app": "web", "more": "yes"}
    read.metadata.labels = {"app": "changed"}
    assert core.replace_namespaced_pod("web", "default", read).metadata.labels == {"app": "changed"}
    core.delete_namespaced_pod("web", "default")
    with pytest.raises(kubernetes.client.ApiException) as raised:
        core.read_namespaced_pod("web", "default")
    assert raised.value.status == 404


def test_status_scale_and_deletion_of_collections(client: Any) -> None:
    apps = kubernetes.client.AppsV1Api(client)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    apps.create_namespaced_deployment("default", {"metadata": {"name": "web"}, "spec": spec})
    apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 4}})
    scale = apps.read_namespaced_deployment_scale("web", "default")
    assert (scale.spec.replicas, scale.status.selector) == (4, "app=web")
    apps.patch_namespaced_deployment_status("web", "default", {"status": {"replicas": 4, "readyReplicas": 3}})
    stored = apps.read_namespaced_deployment("web", "default")
    assert (stored.spec.replicas, stored.status.ready_replicas) == (4, 3)
    apps.delete_collection_namespaced_deployment("default", label_selector="app=other")
    assert len(apps.list_namespaced_deployment("default").items) == 1
    apps.delete_collection_namespaced_deployment("default")
    assert apps.list_namespaced_deployment("default").items == []


def test_watch_from_a_list(client: Any) -> None:
    core = kubernetes.client.CoreV1Api(client)
    core.create_namespaced_pod("default", pod("before"))
    listed = core.list_namespaced_pod("default")

    def write() -> None:
        core.create_namespaced_pod("default", pod("after"))
        core.patch_namespaced_pod("after", "default", {"metadata": {"labels": {"a": "b"}}})
        core.delete_namespaced_pod("before", "default")

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    watch = kubernetes.watch.Watch()
    version = listed.metadata.resource_version
    for event in watch.stream(core.list_namespaced_pod, "default", resource_version=version, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 3:
            watch.stop()
    writer.join()
    assert seen == [("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]


def test_the_dynamic_client_finds_our_own_kind(client: Any) -> None:
    dynamic = pytest.importorskip("kubernetes.dynamic").DynamicClient(client)
    clusters = dynamic.resources.get(api_version="podwire.dev/v1alpha1", kind="Cluster")
    body = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": {"nodes": 2}}
    clusters.create(body=body)
    assert [item.metadata.name for item in clusters.get().items] == ["lab"]
