"""Which objects a list or a watch is about: a namespace, a label selector, a field selector.

Field selectors ask for a few fields a kind, those that Kubernetes supports
(https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/); the store keeps them beside each
object, so that selecting decodes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8sshim.errors import BadInput
from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.records import Record
from k8sshim.selectors import EVERYTHING, Selector
from k8sshim.store import Store

from .resources import storage_name
from .status import bad_request

_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "status.phase",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicationcontrollers": ("status.replicas",),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "type",
    ),
}
_DEFAULTS = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.replicas": "0",
    "status.successful": "0",
}
_PATHS = {resource: tuple((path, tuple(path.split("."))) for path in paths) for resource, paths in _FIELDS.items()}


def fields_of(resource: str, raw: Raw) -> Mapping[str, str]:
    """What field selectors can ask of an object, name and namespace apart; what is empty is left out."""
    found = {path: _text(_at(raw, steps)) for path, steps in _PATHS.get(resource, ())}
    return {path: text for path, text in found.items() if text}


def _at(raw: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(step)
    return raw


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


@dataclass(frozen=True)
class FieldRequirement:
    """`field=value` or, where not `equal`, `field!=value`."""

    field: str
    value: str
    equal: bool

    def matches(self, record: Record) -> bool:
        return (_field(record, self.field) == self.value) is self.equal


def _field(record: Record, field: str) -> str:
    if field == "metadata.name":
        return record.key.name
    if field == "metadata.namespace":
        return record.key.namespace
    return record.fields.get(field) or _DEFAULTS.get(field, "")


@dataclass(frozen=True)
class Selection:
    """What a request selects of one resource."""

    resource: str
    namespace: str = ""  # "" for all
    labels: Selector = EVERYTHING
    fields: tuple[FieldRequirement, ...] = ()

    def matches(self, record: Record) -> bool:
        return (
            (not self.namespace or record.key.namespace == self.namespace)
            and (self.labels.empty or self.labels.matches(record.labels))
            and all(requirement.matches(record) for requirement in self.fields)
        )

    @property
    def filters(self) -> bool:
        """Whether it leaves out objects of its resource and namespace."""
        return not self.labels.empty or bool(self.fields)

    def records(self, store: Store, version: int | None = None) -> list[Record]:
        """What is selected, now or at an earlier version. Raises Compacted."""
        if version is None:
            records = store.records(self.resource, self.namespace)
        else:
            records = store.records_at(self.resource, version, self.namespace)
        return [record for record in records if self.matches(record)] if self.filters else records


def parse(kind: Kind, namespace: str, name: str, query: Mapping[str, str]) -> Selection:
    """The selection of a request; `name` restricts it to one object. Raises ApiError 400."""
    try:
        labels = Selector.parse(query.get("labelSelector") or "")
    except BadInput as error:
        raise bad_request(str(error)) from error
    fields = _parse_fields(kind, query.get("fieldSelector") or "")
    if name:
        fields = (FieldRequirement("metadata.name", name, True), *fields)
    return Selection(storage_name(kind), namespace, labels, fields)


def _parse_fields(kind: Kind, text: str) -> tuple[FieldRequirement, ...]:
    known = {"metadata.name", "metadata.namespace", *_FIELDS.get(storage_name(kind), ())}
    requirements = []
    for part in filter(None, text.split(",")):
        field, sign, value = part.partition("=")
        if not sign:
            raise bad_request(f"invalid field selector {text!r}: expected FIELD=VALUE or FIELD!=VALUE, found {part!r}")
        equal = not field.endswith("!")
        field, value = field.rstrip("!").strip(), value.removeprefix("=").strip()
        if field not in known:
            raise bad_request(f'field label not supported: "{field}" (supported: {", ".join(sorted(known))})')
        requirements.append(FieldRequirement(field, value, equal))
    return tuple(requirements)
