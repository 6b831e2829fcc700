"""Rules for what every object has: names, namespaces, labels, annotations, and label selectors anywhere in it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.selectors import raw_problems
from k8sshim.validation.field import Field

_MAX_ANNOTATIONS = 256 * 1024  # bytes of all annotations of an object
_SELECTORS = ("selector", "labelSelector", "podSelector", "namespaceSelector", "objectSelector", "namespaces", "nodes")


def metadata_problems(metadata: Field, kind: Kind) -> Iterator[Problem]:
    """Name (or generateName), namespace, labels and annotations."""
    name, prefix = metadata["name"], metadata["generateName"]
    rule = _name_rule(kind)
    if name.text:
        yield from name.breaks(rule(name.text))
    elif prefix.text:
        yield from prefix.breaks(rule(f"{prefix.text}x"))  # a prefix may end in what no name may end in
    elif name.value in (None, "") and (isinstance(metadata.value, dict) or not metadata):
        yield name.required("name or generateName is required")
    if kind.namespaced and metadata["namespace"].text:
        yield from metadata["namespace"].breaks(names.dns_label(metadata["namespace"].text))
    yield from label_problems(metadata["labels"])
    yield from _annotation_problems(metadata["annotations"])


def _name_rule(kind: Kind) -> Callable[[str], Iterable[str]]:
    if kind.group == "rbac.authorization.k8s.io" or kind.kind == "IPAddress":
        return names.path_segment
    if kind.api_version == "v1" and kind.kind == "Namespace":
        return names.dns_label
    if kind.api_version == "v1" and kind.kind == "Service":
        return names.dns_label_1035
    return names.dns_subdomain


def label_problems(labels: Field) -> Iterator[Problem]:
    """Keys and values of a map of labels, all of them at its path, as Kubernetes has it.

    A value of another type is the schema's affair, but that lets null pass.
    """
    for key, value in labels.entries():
        yield from Field(key, labels.path).breaks(names.qualified_name(key))
        if value.value is None:
            yield value.problem("is null, expected a string")
        yield from Field(value.value, labels.path).breaks(names.label_value(value.text))


def _annotation_problems(annotations: Field) -> Iterator[Problem]:
    size = 0
    for key, value in annotations.entries():
        yield from Field(key, annotations.path).breaks(names.qualified_name(key.lower()))
        size += len(key) + len(value.text)
    if size > _MAX_ANNOTATIONS:
        yield annotations.problem(f"Too long: may not be more than {_MAX_ANNOTATIONS} bytes")


def selector_problems(field: Field) -> Iterator[Problem]:
    """What is wrong with each LabelSelector anywhere below."""
    if not _holds_selector(field.value):
        return
    for element in field.elements():
        yield from selector_problems(element)
    for name, value in field.entries():
        if name in _SELECTORS and isinstance(value.value, dict) and _is_label_selector(value):
            for problem in raw_problems(value.value):
                yield Problem(problem.message, field=f"{value.path}.{problem.field}")
        elif name != "status":
            yield from selector_problems(value)


def _holds_selector(value: object) -> bool:
    """Whether there is one below: a look that costs little, as most objects have none."""
    if isinstance(value, dict):
        below = ((name, each) for name, each in value.items() if isinstance(each, (dict, list)))
        return any(name in _SELECTORS or _holds_selector(each) for name, each in below)
    return isinstance(value, list) and any(map(_holds_selector, value))


def _is_label_selector(field: Field) -> bool:
    return isinstance(field["matchLabels"].value, dict) or isinstance(field["matchExpressions"].value, list)
