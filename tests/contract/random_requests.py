"""Requests made by chance from the OpenAPI documents that a server serves, and from objects that it has.

A generator of requests is given its chance, so the same seed asks the same. What is asked for is wrong as often as
it is right: values of other types, names of nothing, patches of every kind.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

MERGES = ("application/merge-patch+json", "application/strategic-merge-patch+json")
JSON_PATCH, APPLY, JSON = "application/json-patch+json", "application/apply-patch+yaml", "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_NAMES = ("a", "b", "c")
_NAMESPACES = (*("default",) * 12, "made", "nowhere")
_STRANGE: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 2**31, 2**63, 10**30, 1.5, "", "x", "\x00", "é" * 70, "a/b", "-", "1.2.3.4", "::1"),
    *([], {}, [None], [[]], [{}], {"": None}, {"a": {"b": 1}}, ["a", "a"], [1, "a"], {"$patch": "delete"}),
    *("2026-13-01T00:00:00Z", "99999999999", "9" * 400, "10.0.0.0/99", "*/0 * * * *", "1e400", "%", "$(x)"),
)
_WORDS = (
    *("a", "b", "web", "default", "TCP", "UDP", "80", "http", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    *("None", "10.96.0.7", "10.244.1.2", "10.0.0.0/8", "IPv4", "IPv6", "Always", "Never", "Exists", "In", "100m"),
    *("1Gi", "*/5 * * * *", "Parallel", "OnDelete", "RollingUpdate", "Recreate", "Local", "Ingress", "Orphan", "v1"),
    *("Pod", "Service", "apps/v1", "kubernetes.io/hostname", "Indexed", "Europe/Oslo", "50%", "2026-01-01T00:00:00Z"),
)
_NUMBERS = (-1, 0, 1, 2, 3, 80, 443, 30000, 30080, 65535, 65536, 2**31 - 1, 2**31, 2**63 - 1)
_NO_JSON = (b"", b"{", b"\xff", b"null", b"[]", b"a: &x [*x]", b"[" * 3000)
_SUBRESOURCES = ("/status", "/scale", "/x", "/log", "/eviction", "/token", "/binding", "/finalize", "/")
_REFUSED = ("generateName", "resourceVersion", "uid")
_DEEPEST = 9
_READ_QUERIES: Mapping[str, tuple[str, ...]] = {
    "labelSelector": ("app=web", "app in (a,b)", "!app", "app=", "a=b=c", "in (", "=,="),
    "fieldSelector": ("metadata.name=a", "spec.nodeName!=x", "status.phase=Running", "x", "metadata.name=", "=="),
    "resourceVersion": ("0", "1", "99999999", "-1", "x", "1.5", "²"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "continue": ("x", "e30=", "eyJydiI6MX0="),
    "limit": ("1", "0", "-1", "x", "99999999999999999999", "²"),
    "pretty": ("true",),
}
_WRITE_QUERIES: Mapping[str, tuple[str, ...]] = {
    "dryRun": ("All", "x"),
    "fieldManager": ("me", "é", "m" * 300),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "force": ("true",),
    "gracePeriodSeconds": ("0", "-1", "x", "²", "9" * 400),
    "propagationPolicy": ("Foreground", "Orphan", "x"),
    "orphanDependents": ("true",),
}
_ACCEPTED = (
    *(JSON, JSON, "", "*/*", "text/html", "application/vnd.kubernetes.protobuf", "application/cbor"),
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
)


@dataclass(frozen=True)
class Operation:
    """An operation of a document: its path has `{namespace}` and `{name}` in it."""

    method: str
    path: str
    schema: Any = None  # of the body
    group_version_kind: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> dict[str, str]:
        """apiVersion and kind of its objects."""
        kind = self.group_version_kind
        group = f"{kind['group']}/" if kind["group"] else ""
        return {"apiVersion": f"{group}{kind['version']}", "kind": kind["kind"]}


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]


def _other(methods: str, path: str, api_version: str, kind: str) -> Iterator[Operation]:
    group, _, version = api_version.rpartition("/")
    for method in methods.split():
        yield Operation(method, path, None, {"group": group, "version": version, "kind": kind})


_POD = "/api/v1/namespaces/{namespace}/pods/{name}"
_ACCOUNT = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
_REVIEWS = "/apis/authorization.k8s.io/v1"
UNPUBLISHED = (  # what is served and stands in no document
    *_other(
        "GET PUT PATCH", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale", "autoscaling/v1", "Scale"
    ),
    *_other("GET PUT PATCH", f"{_POD}/ephemeralcontainers", "v1", "Pod"),
    *_other("POST", f"{_POD}/binding", "v1", "Binding"),
    *_other("POST", "/api/v1/namespaces/{namespace}/bindings", "v1", "Binding"),
    *_other("POST", f"{_POD}/eviction", "policy/v1", "Eviction"),
    *_other("GET", f"{_POD}/log", "v1", "Pod"),
    *_other("POST", f"{_ACCOUNT}/token", "authentication.k8s.io/v1", "TokenRequest"),
    *_other("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "authentication.k8s.io/v1", "TokenReview"),
    *_other("POST", f"{_REVIEWS}/selfsubjectaccessreviews", "authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    *_other("POST", f"{_REVIEWS}/subjectaccessreviews", "authorization.k8s.io/v1", "SubjectAccessReview"),
    *_other("POST", f"{_REVIEWS}/selfsubjectrulesreviews", "authorization.k8s.io/v1", "SelfSubjectRulesReview"),
    *_other("GET", "/apis", "v1", ""),
    *_other("GET", "/api/v1", "v1", ""),
    *_other("GET", "/openapi/v2", "v1", ""),
)


class Document:
    """One OpenAPI v3 document."""

    def __init__(self, raw: Any, others: Sequence[Operation] = ()) -> None:
        self._schemas = raw["components"]["schemas"]
        self.operations = [
            Operation(method.upper(), path, _schema_of(each), each.get("x-kubernetes-group-version-kind") or {})
            for path, methods in raw["paths"].items()
            for method, each in methods.items()
            if method != "parameters"
        ]
        self.operations += others

    def resolved(self, schema: Any) -> Any:
        """A schema without references at its top."""
        while True:
            reference = schema.get("$ref") or next((part.get("$ref") for part in schema.get("allOf") or ()), None)
            if not reference:
                return schema
            schema = self._schemas[reference.rpartition("/")[2]]


def _schema_of(operation: Any) -> Any:
    content = (operation.get("requestBody") or {}).get("content") or {}
    return next((each["schema"] for each in content.values() if each.get("schema")), None)


class Chooser:
    """Makes values and requests."""

    def __init__(self, chance: Random, strangeness: float = 0.03) -> None:
        """`strangeness` is how often a value is of no kind that the schema knows, from 0 to 1."""
        self._chance = chance
        self._strangeness = strangeness

    def requests(self, document: Document, objects: Mapping[str, Any], count: int) -> Iterator[Asked]:
        """So many requests for each operation; `objects` by kind are those to change; each time they are made first."""
        known = {each.path: objects.get(each.group_version_kind.get("kind", "")) for each in document.operations}
        for _ in range(count):
            for operation in document.operations:
                if operation.schema is not None and operation.method == "POST" and known[operation.path] is not None:
                    yield from (_creation(operation, known[operation.path], name) for name in _NAMES)
            operations = sorted(document.operations, key=lambda each: (each.method == "DELETE", self._chance.random()))
            for operation in operations:
                yield self._request(document, operation, known[operation.path])

    def _request(self, document: Document, operation: Operation, known: Any) -> Asked:
        name, namespace = self._chance.choice(_NAMES), self._chance.choice(_NAMESPACES)
        queries = _READ_QUERIES if operation.method == "GET" else _WRITE_QUERIES
        query = {key: self._chance.choice(values) for key, values in queries.items() if self._once_in(8)}
        given, body = JSON, None
        if operation.method == "DELETE" and self._once_in(3):
            body = _encoded(self.strange({"kind": "DeleteOptions", "preconditions": {"uid": "x"}}))
        elif operation.method in ("POST", "PUT", "PATCH"):
            wanted = self._object(document, operation, known, name, namespace)
            if operation.method == "PATCH":
                wanted, given = self._patch(wanted)
            given, body = self._broken(given, _encoded(wanted))
        if given == APPLY and not self._once_in(10):
            query["fieldManager"] = self._chance.choice(_NAMES)
        words = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        headers = {"Accept": self._chance.choice(_ACCEPTED), "Content-Type": given}
        return Asked(operation.method, f"{self._path(operation, name, namespace)}?{words}", body, headers)

    def _once_in(self, times: int) -> bool:
        return self._chance.random() < 1 / times

    def _path(self, operation: Operation, name: str, namespace: str) -> str:
        path = operation.path
        if self._once_in(20):
            path = path.replace("/namespaces/{namespace}", "")
        if self._once_in(20):
            path += self._chance.choice(_SUBRESOURCES)
        return path.replace("{namespace}", namespace).replace("{name}", name)

    def _broken(self, given: str, body: bytes) -> tuple[str, bytes]:
        """A media type and a body, which are seldom others than they were."""
        if self._once_in(50):
            return given, self._chance.choice((*_NO_JSON, body[:-3]))
        if self._once_in(50):
            return PROTOBUF, b"k8s\x00" + self._chance.randbytes(self._chance.choice((0, 3, 20, 60)))
        return given, body

    def _object(self, document: Document, operation: Operation, known: Any, name: str, namespace: str) -> Any:
        if known is not None and not self._once_in(3):
            made = known
            for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3))):
                made = self.strange(made)
        else:
            made = self.value(document, operation.schema, 0) if operation.schema else {}
        if not isinstance(made, dict) or self._once_in(20):
            return made
        place = {"name": name} | ({"namespace": namespace} if "{namespace}" in operation.path else {})
        return {**made, **operation.head, "metadata": self._metadata(made.get("metadata"), place)}

    def _metadata(self, made: Any, place: Mapping[str, str]) -> Any:
        """What was made, seldom as it is: with a name, and without what would be refused before all else."""
        if self._once_in(20):
            return made
        kept = made if isinstance(made, dict) and self._once_in(2) else {}
        return {name: value for name, value in kept.items() if name not in _REFUSED} | place

    def _patch(self, wanted: Any) -> tuple[Any, str]:
        """A patch, and its media type."""
        given = self._chance.choice((*MERGES, JSON_PATCH, APPLY, "application/x"))
        if given == APPLY or not isinstance(wanted, dict) or self._chance.random() < 0.1:
            return wanted, given
        if given != JSON_PATCH:
            kept = {key: wanted[key] for key in wanted if self._chance.random() < 0.7}
            return (self._directed(kept) if self._chance.random() < 0.3 else kept), given
        places = list(_places(wanted))
        steps = [
            {
                "op": self._chance.choice(("add", "remove", "replace", "test", "move", "copy", "x")),
                "path": self._pointer(places),
                "from": self._pointer(places),
                "value": self._chance.choice((*_WORDS, *_STRANGE)),
            }
            for _ in range(self._chance.choice((1, 1, 2)))
        ]
        return (self.strange(steps) if self._chance.random() < 0.1 else steps), given

    def _directed(self, patch: Any) -> Any:
        """A strategic merge patch with a directive somewhere in it."""
        patch = copy.deepcopy(patch)
        inner = self._chance.choice(list(_mappings(patch)))
        word = self._chance.choice(("$patch", "$retainKeys", "$deleteFromPrimitiveList/", "$setElementOrder/"))
        name = self._chance.choice(("finalizers", *inner)) if word.endswith("/") else ""
        inner[word + name] = self._chance.choice(
            ("replace", "delete", "merge", ["a"], [{"name": "main"}], [{}], 5, None)
        )
        return patch

    def _pointer(self, places: list[tuple[str | int, ...]]) -> str:
        place = self._chance.choice(places or [()])
        return "".join(f"/{step}" for step in place) + self._chance.choice(("", "", "", "/-", "/x", "/0", "/~", "/²"))

    def value(self, document: Document, schema: Any, depth: int) -> Any:
        """A value as a schema has it, or a strange one."""
        if self._chance.random() < self._strangeness * (depth > 0):
            return self._chance.choice(_STRANGE)
        schema = document.resolved(schema)
        kinds = [part["type"] for part in schema.get("oneOf") or () if "type" in part]
        kind = self._chance.choice(kinds) if kinds else schema.get("type")
        if schema.get("enum"):
            return self._chance.choice(schema["enum"])
        if kind == "object":
            return self._mapping(document, schema, depth)
        if kind == "array":
            count = self._chance.choice((0, 1, 1, 2)) if depth < _DEEPEST else 0
            return [self.value(document, schema.get("items") or {}, depth + 1) for _ in range(count)]
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind in ("integer", "number"):
            return self._chance.choice(_NUMBERS)
        return self._chance.choice(_WORDS)

    def _mapping(self, document: Document, schema: Any, depth: int) -> Any:
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        if not properties and isinstance(schema.get("additionalProperties"), dict) and depth < _DEEPEST:
            names = self._chance.sample(("a", "app", "kubernetes.io/x", "cpu", ""), self._chance.choice((0, 1, 2)))
            return {name: self.value(document, schema["additionalProperties"], depth + 1) for name in names}
        often = min(1.0, 4 / (len(properties) or 1)) if depth < _DEEPEST else 0.0
        often = 0.8 if depth == 0 else often
        chosen = [name for name in properties if name in required or self._chance.random() < often]
        return {name: self.value(document, properties[name], depth + 1) for name in chosen}

    def strange(self, raw: Any) -> Any:
        """The same with one place of it changed: another value there, nothing, or twice the same."""
        places = list(_places(raw))
        if not places:
            return self._chance.choice(_STRANGE)
        raw, place = copy.deepcopy(raw), self._chance.choice(places)
        inner = raw
        for step in place[:-1]:
            inner = inner[step]
        how = self._chance.random()
        if how < 0.2:
            del inner[place[-1]]
        elif how < 0.3 and isinstance(inner, list):
            inner.append(copy.deepcopy(inner[place[-1]]))
        elif how < 0.6:
            inner[place[-1]] = self._chance.choice((*_WORDS, *_NUMBERS))
        else:
            inner[place[-1]] = copy.deepcopy(self._chance.choice(_STRANGE))
        return raw


def _mappings(raw: Any) -> Iterator[Any]:
    """The objects in a JSON value, itself among them."""
    if isinstance(raw, dict):
        yield raw
    for inner in raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ():
        yield from _mappings(inner)


def _creation(operation: Operation, raw: Any, name: str) -> Asked:
    path = operation.path.replace("{namespace}", _NAMESPACES[0])
    metadata = {"name": raw.get("metadata", {}).get("name", name), "labels": {"app": "web"}}
    return Asked("POST", path, _encoded({**raw, **operation.head, "metadata": metadata}), {"Content-Type": JSON})


def _places(raw: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in a JSON value, but the value itself."""
    parts: Any = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for step, inner in parts:
        yield (*place, step)
        yield from _places(inner, (*place, step))


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
