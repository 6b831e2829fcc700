"""The Service `kubernetes`, by which pods reach the API: made with the server, and put right whenever it changes.

Kubernetes' own server does the same (pkg/controlplane/controller/kubernetesservice). What others add to these objects
stays; what they are for does not change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from k8sshim import kinds
from k8sshim.cluster import CLUSTER_API_VERSION, CONTROL_PLANE, Cluster
from k8sshim.objects import Key, Raw
from k8sshim.records import Event
from k8sshim.store import Store
from k8sshim.validation.addresses import version_of

from .lifecycle import Defer
from .patches import merge_patch
from .routing import Target
from .status import ApiError
from .writes import Writer

PORT = 443
TARGET_PORT = 6443
_KEY = Key("default", "kubernetes")
_log = logging.getLogger(__name__)


def control_plane_of(objects: Sequence[Raw]) -> str:
    """The address at which a lab's API server listens for its pods; "" where no Cluster among these tells."""
    for raw in objects:
        if (raw.get("apiVersion"), raw.get("kind")) == (CLUSTER_API_VERSION, "Cluster"):
            host = Cluster.parse(raw).host(CONTROL_PLANE)
            return host.addresses[0] if host else ""
    return ""


def keep(store: Store, writer: Writer, defer: Defer, *, service_address: str, control_plane: str) -> None:
    """Make the Service and what stands behind it, now and whenever one of them is changed or gone."""
    wanted = [(_target(raw), raw) for raw in _objects(service_address, control_plane)]
    for target, raw in wanted:
        _put_right(store, writer, target, raw)
        store.subscribe(target.resource, _watcher(store, writer, defer, target, raw))


def _watcher(store: Store, writer: Writer, defer: Defer, target: Target, raw: Raw) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if event.record.key == _KEY:
            defer(lambda: _put_right(store, writer, target, raw))

    return on_event


def _put_right(store: Store, writer: Writer, target: Target, raw: Raw) -> None:
    """A write that would change nothing is none, so this ends."""
    try:
        if store.get(target.resource, _KEY) is None:
            writer.create(Target(target.kind, target.namespace), merge_patch({}, raw))
        else:
            writer.patch(target, lambda current: _merged(current, raw))
    except ApiError as error:
        _log.warning("%s %s cannot be put right: %s", target.kind.kind, _KEY, error)


def _merged(current: Raw, wanted: Raw) -> Raw:
    merged: Raw = merge_patch(current, wanted)
    return merged


def _target(raw: Raw) -> Target:
    kind = kinds.find(raw["apiVersion"], raw["kind"])
    assert kind is not None, f"the table of kinds lacks {raw['kind']}"
    return Target(kind, _KEY.namespace, _KEY.name)


def _objects(service_address: str, control_plane: str) -> tuple[Raw, ...]:
    """The Service without a selector, its EndpointSlice and its Endpoints (which nobody need mirror); in the form of
    merge patches."""
    port = {"name": "https", "port": TARGET_PORT, "protocol": "TCP"}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service_ports = [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": TARGET_PORT}]
    spec = {"type": "ClusterIP", "clusterIP": service_address, "ports": service_ports, "selector": None}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(labels), "spec": spec},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": _metadata({"kubernetes.io/service-name": _KEY.name}),
            "addressType": f"IPv{version_of(control_plane)}",
            "endpoints": [{"addresses": [control_plane], "conditions": {"ready": True}}],
            "ports": [port],
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": _metadata({"endpointslice.kubernetes.io/skip-mirror": "true"}),
            "subsets": [{"addresses": [{"ip": control_plane}], "ports": [port]}],
        },
    )


def _metadata(labels: Raw) -> Raw:
    return {"name": _KEY.name, "namespace": _KEY.namespace, "labels": labels}
