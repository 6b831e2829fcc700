"""The subresource `binding` of pods: the scheduler's word, with the annotations that it brings. Pure.

As in Kubernetes, a Binding's annotations and labels become the pod's in the same write, so a pod that has a node has
its place in the network too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from k8sshim.errors import Problem
from k8sshim.objects import Raw

from .admission import check_preconditions, timestamp
from .resources import PODS
from .status import bad_request, conflict, invalid


def bind(pod: Raw, body: Any, now: datetime) -> Raw:
    """The pod, bound as the Binding says; `pod` is changed. Raises ApiError 400, 409, 422."""
    if not isinstance(body, dict) or not isinstance(body.get("target"), dict):
        raise bad_request("the body of the request is no Binding with a target")
    metadata, spec, given = pod["metadata"], pod["spec"], body.get("metadata") or {}
    node, name = body["target"].get("name"), metadata["name"]
    if body["target"].get("kind", "Node") != "Node" or not isinstance(node, str) or not node:
        raise invalid(PODS, name, [Problem("must name a Node", field="target")])
    check_preconditions(PODS, pod, given)
    if metadata.get("deletionTimestamp"):
        raise conflict(PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise conflict(PODS, name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    spec["nodeName"] = node
    for field in ("annotations", "labels"):
        if given.get(field):
            metadata[field] = (metadata.get(field) or {}) | given[field]
    _scheduled(pod.setdefault("status", {}), now)
    return pod


def _scheduled(status: Raw, now: datetime) -> None:
    others = [condition for condition in status.get("conditions") or () if condition.get("type") != "PodScheduled"]
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp(now)}
    status["conditions"] = [*others, condition]
