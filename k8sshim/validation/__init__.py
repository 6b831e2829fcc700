"""Everything that is wrong with one object: header, schema, and the rules that a schema cannot say. Pure."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator

from k8sshim import kinds
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import Problem
from k8sshim.kinds import POLICY_GROUP, Kind
from k8sshim.objects import Raw
from k8sshim.validation.admin_policies import admin_policy_problems, baseline_policy_problems, cluster_policy_problems
from k8sshim.validation.definitions import definition_problems
from k8sshim.validation.endpoints import endpoint_slice_problems, endpoints_problems
from k8sshim.validation.field import Field, type_of
from k8sshim.validation.metadata import metadata_problems, selector_problems
from k8sshim.validation.nodes import node_problems
from k8sshim.validation.pods import pod_problems
from k8sshim.validation.policies import network_policy_problems
from k8sshim.validation.schema import schema_problems, status_schema_problems
from k8sshim.validation.services import service_problems, service_status_problems
from k8sshim.validation.workloads import workload_problems

__all__ = ["name_of", "problems", "status_problems"]

_MAX_SHOWN = 100  # characters of a name in a message

_RULES: dict[tuple[str, str], Callable[[Field], Iterable[Problem]]] = {
    ("v1", "Pod"): pod_problems,
    ("v1", "Node"): node_problems,
    ("v1", "Service"): service_problems,
    ("v1", "Endpoints"): endpoints_problems,
    ("discovery.k8s.io/v1", "EndpointSlice"): endpoint_slice_problems,
    ("networking.k8s.io/v1", "NetworkPolicy"): network_policy_problems,
    (f"{POLICY_GROUP}/v1alpha1", "AdminNetworkPolicy"): admin_policy_problems,
    (f"{POLICY_GROUP}/v1alpha1", "BaselineAdminNetworkPolicy"): baseline_policy_problems,
    (f"{POLICY_GROUP}/v1alpha2", "ClusterNetworkPolicy"): cluster_policy_problems,
    ("v1", "ReplicationController"): workload_problems,
    ("apps/v1", "Deployment"): workload_problems,
    ("apps/v1", "ReplicaSet"): workload_problems,
    ("apps/v1", "DaemonSet"): workload_problems,
    ("apps/v1", "StatefulSet"): workload_problems,
    ("batch/v1", "Job"): workload_problems,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): definition_problems,
}
_EMPTY_FOR_NULL = {("networking.k8s.io/v1", "NetworkPolicy"): ("from", "to", "ports")}
_STATUS_RULES = {("v1", "Service"): service_status_problems}


def problems(raw: object) -> list[Problem]:
    """What is wrong with a JSON value as an object of the API, each with the object's name and the field."""
    if not isinstance(raw, dict):
        return [Problem(f"is {type_of(raw)}, expected an object with apiVersion, kind and metadata")]
    found = list(_header_problems(raw)) or list(_body_problems(raw))
    name = name_of(raw)
    return [dataclasses.replace(problem, object=name) for problem in dict.fromkeys(found)]


def status_problems(raw: Raw) -> list[Problem]:
    """What is wrong with the status that somebody writes into an object that is otherwise well."""
    kind, status = _kind_of(raw), Field(raw)["status"]
    found = status_schema_problems(status.value, kind) if kind else []
    if _has_null_element(status.value):
        found += _null_elements(status)
    rule = _STATUS_RULES.get((raw["apiVersion"], raw["kind"]))
    return [*found, *(rule(Field(raw)) if rule else ())]


def name_of(raw: Raw) -> str:
    """How a message names an object: `Deployment default/web`, `Node n1`; as much of that as there is."""
    root, entry = Field(raw), _kind_of(raw)
    metadata = root["metadata"]
    name = metadata["name"].text or metadata["generateName"].text
    if name and (entry is None or entry.namespaced):
        name = f"{metadata['namespace'].text or 'default'}/{name}"
    shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}..."
    return " ".join(part for part in (root["kind"].text, shown) if part)


def _kind_of(raw: Raw) -> Kind | None:
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    return kinds.find(api_version, kind) if isinstance(api_version, str) and isinstance(kind, str) else None


def _header_problems(raw: Raw) -> Iterator[Problem]:
    root = Field(raw)
    for name in ("apiVersion", "kind"):
        if root[name].value in (None, ""):
            yield root[name].problem("missing")
        elif not root[name].text:
            yield root[name].problem(f"is {type_of(root[name].value)}, expected a string")
    api_version, kind = root["apiVersion"].text, root["kind"].text
    if api_version and kind and kinds.find(api_version, kind) is None:
        yield _unknown_kind(root, api_version, kind)


def _unknown_kind(root: Field, api_version: str, kind: str) -> Problem:
    elsewhere = kinds.api_versions(kind)
    if elsewhere:
        return root["apiVersion"].problem(
            f'{api_version!r} has no kind "{kind}"; it is in {" and in ".join(elsewhere)}'
        )
    if not any(entry.api_version == api_version for entry in kinds.KINDS):
        return root["apiVersion"].problem(f"unknown apiVersion {api_version!r}")
    near = difflib.get_close_matches(kind, [entry.kind for entry in kinds.KINDS], n=1)
    hint = f', did you mean "{near[0]}"?' if near else ""
    return root["kind"].problem(f'unknown kind "{kind}"{hint}')


def _body_problems(raw: Raw) -> Iterator[Problem]:
    kind, root = _kind_of(raw), Field(raw)
    assert kind is not None, "the header has been judged"
    yield from metadata_problems(root["metadata"], kind)
    yield from schema_problems(raw, kind)
    if kind.api_version == CLUSTER_API_VERSION:
        return
    if _has_null_element(raw):
        yield from _null_elements(root, _EMPTY_FOR_NULL.get((kind.api_version, kind.kind), ()))
    yield from selector_problems(root)
    rule = _RULES.get((kind.api_version, kind.kind))
    if rule is not None:
        yield from rule(root)


def _has_null_element(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_null_element(each) for each in value.values() if isinstance(each, (dict, list)))
    return isinstance(value, list) and any(each is None or _has_null_element(each) for each in value)


def _null_elements(field: Field, empty: Collection[str] = ()) -> Iterator[Problem]:
    """No list of the API holds null, but for those in which it is an empty object (`empty`); the schemas, made for
    fields that may be left out, let it pass."""
    allowed = field.path.rpartition(".")[2] in empty
    for element in field.elements():
        if not element and not allowed:
            yield element.problem("is null, expected a value")
        yield from _null_elements(element, empty)
    for _, entry in field.entries():
        yield from _null_elements(entry, empty)
