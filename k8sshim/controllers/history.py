"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, for `kubectl rollout history` and `undo`.

`pkg/controller/history` of kubernetes/kubernetes. Pure.
"""

from __future__ import annotations

from k8sshim.client import resource_for
from k8sshim.controllers.pods import claim
from k8sshim.controllers.world import World
from k8sshim.controllers.writes import Create, Delete, Update, Write
from k8sshim.endpoints import owner_reference
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

REVISIONS = resource_for("apps/v1", "ControllerRevision")
_HASH = "controller.kubernetes.io/hash"
_KEPT = 10  # revisionHistoryLimit where nothing is said


def record(owner: Raw, name: str, digest: str, in_use: set[str], world: World) -> list[Write]:
    """The writes after which the present template is the newest revision, and few enough others are left.

    `name` is the present revision's; `in_use` names those that pods have still. Revisions that nobody owns any more
    (their owner was deleted and left them) are adopted.
    """
    mine, claims = claim(owner, Selector.from_raw(owner["spec"].get("selector")), world, REVISIONS)
    return [*claims, *_written(owner, name, digest, in_use, sorted(mine, key=_number))]


def _written(owner: Raw, name: str, digest: str, in_use: set[str], kept: list[Raw]) -> list[Write]:
    newest = _number(kept[-1]) if kept else 0
    present = next((each for each in kept if each["metadata"]["name"] == name), None)
    if present is None:
        return [Create(REVISIONS, _revision(owner, name, digest, newest + 1)), *_tidy(owner, kept, {name, *in_use})]
    if _number(present) < newest:  # an old template came back
        return [Update(REVISIONS, {**present, "revision": newest + 1})]
    return _tidy(owner, kept, {name, *in_use})


def _number(revision: Raw) -> int:
    return int(revision.get("revision") or 0)


def _revision(owner: Raw, name: str, digest: str, number: int) -> Raw:
    template = owner["spec"].get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    notes = owner["metadata"].get("annotations") or {}
    return {
        "apiVersion": REVISIONS.api_version,
        "kind": REVISIONS.kind,
        "metadata": {
            "name": name,
            "namespace": owner["metadata"].get("namespace") or "",
            "labels": {**labels, _HASH: digest},
            "annotations": dict(notes),
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }


def _tidy(owner: Raw, kept: list[Raw], needed: set[str]) -> list[Write]:
    """The oldest that nobody needs go, beyond the limit."""
    limit = owner["spec"].get("revisionHistoryLimit")
    idle = [each for each in kept if each["metadata"]["name"] not in needed]
    surplus = len(idle) - (_KEPT if limit is None else int(limit))
    return [Delete(REVISIONS, Key.of(each), each["metadata"].get("uid") or "") for each in idle[: max(surplus, 0)]]
