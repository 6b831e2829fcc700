"""Brings objects into the API as `kubectl apply` does, so that the two may take turns on one object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from k8sshim import kinds
from k8sshim.client import NAMESPACES, Absent, Client, Resource, resource_for
from k8sshim.errors import BadInput, Conflict, Problem
from k8sshim.manifests.documents import Document
from k8sshim.manifests.merge import three_way
from k8sshim.manifests.shapes import shape_of
from k8sshim.objects import Key, Raw

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_FIRST = ("Namespace", "CustomResourceDefinition")  # what others need to exist
_ATTEMPTS = 5  # at an object that others write, too
# What the server writes into metadata, whatever a manifest says.
_SERVERS_OWN = (
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


class Outcome(str, Enum):
    """What applying did to an object, in kubectl's words."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Applied:
    """An object that was applied."""

    resource: Resource
    key: Key
    outcome: Outcome

    def __str__(self) -> str:
        """As kubectl says it: `deployment.apps/web created`."""
        group, _, _ = self.resource.api_version.rpartition("/")
        kind = self.resource.kind.lower() + (f".{group}" if group else "")
        return f"{kind}/{self.key.name} {self.outcome.value}"


def apply(client: Client, documents: Sequence[Document]) -> Iterator[Applied]:
    """Create or change the objects, one after another as they are asked for: namespaces and definitions first.

    Raises BadInput where an object's namespace is nowhere (before the first write), and where the server turns objects
    down (after the others are applied), each with file and object.
    """
    problems = _missing_namespaces(client, documents)
    if problems:
        raise BadInput(*problems)
    for document in sorted(documents, key=_rank):
        try:
            yield _apply(client, document)
        except BadInput as error:
            problems.extend(document.problem(problem.message, problem.field) for problem in error.problems)
        except Absent as error:
            problems.append(document.problem(str(error)))
    if problems:
        raise BadInput(*problems)


def not_acted_on(documents: Iterable[Document]) -> list[str]:
    """The kinds among these that podwire stores and serves, but that make nothing happen in the lab."""
    found = {(document.raw["apiVersion"], document.raw["kind"]) for document in documents}
    return sorted({kind for api_version, kind in found - kinds.ACTED_ON})


def _rank(document: Document) -> int:
    kind = document.raw["kind"]
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def _missing_namespaces(client: Client, documents: Sequence[Document]) -> list[Problem]:
    """One problem for each object that would have no namespace to live in."""
    made = {document.key.name for document in documents if document.raw["kind"] == "Namespace"}
    wanted = {document.key.namespace for document in documents} - made - {""}
    absent = {name for name in wanted if client.get(NAMESPACES, Key("", name)) is None}
    return [
        document.problem(f"there is no namespace {document.key.namespace!r}", "metadata.namespace")
        for document in documents
        if document.key.namespace in absent
    ]


def _apply(client: Client, document: Document) -> Applied:
    resource = resource_for(document.raw["apiVersion"], document.raw["kind"])
    wanted = annotated(_placed(document))
    for attempt in range(_ATTEMPTS):
        try:
            return Applied(resource, document.key, _apply_once(client, resource, document.key, wanted))
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _apply_once(client: Client, resource: Resource, key: Key, wanted: Raw) -> Outcome:
    current = client.get(resource, key)
    if current is None:
        client.create(resource, wanted)
        return Outcome.CREATED
    merged = three_way(
        last_applied(current), _mergeable(wanted), current, shape_of(resource.api_version, resource.kind)
    )
    if merged == current:
        return Outcome.UNCHANGED
    after = client.update(resource, merged)
    same = after["metadata"].get("resourceVersion") == current["metadata"].get("resourceVersion")
    return Outcome.UNCHANGED if same else Outcome.CONFIGURED


def _placed(document: Document) -> Raw:
    """The object with its namespace filled in, where it has one."""
    metadata = {name: value for name, value in document.raw["metadata"].items() if name != "namespace"}
    if document.key.namespace:
        metadata["namespace"] = document.key.namespace
    return {**document.raw, "metadata": metadata}


def annotated(raw: Raw) -> Raw:
    """The object with the annotation that says what was applied, to the letter as kubectl writes it."""
    metadata = raw["metadata"]
    others = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != LAST_APPLIED}
    config = {**raw, "metadata": {**metadata, "annotations": others}}
    return {**raw, "metadata": {**metadata, "annotations": {**others, LAST_APPLIED: _go_json(config)}}}


def _go_json(raw: Raw) -> str:
    """JSON as Go's encoder writes it: sorted, compact, safe to stand in HTML, with a newline at its end."""
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"{text}\n"


def last_applied(current: Raw) -> Raw:
    """What the live object's annotation says was applied last; nothing where it says nothing that can be read."""
    text = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}"
    try:
        raw = json.loads(text)
    except ValueError:
        return {}
    return _mergeable(raw) if isinstance(raw, dict) else {}


def _mergeable(raw: Raw) -> Raw:
    """The part of a manifest that its author decides."""
    metadata = {name: value for name, value in (raw.get("metadata") or {}).items() if name not in _SERVERS_OWN}
    return {name: metadata if name == "metadata" else value for name, value in raw.items() if name != "status"}
