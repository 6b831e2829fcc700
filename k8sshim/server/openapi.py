"""The API in OpenAPI, v3 by group version and v2 as one, from the published schemas of Kubernetes.

Clients explain fields by it (`kubectl explain`), merge lists by it, and find out that the server validates fields and
runs dry. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.records import encode
from k8sshim.validation.schema import described_definitions, object_schema

from .discovery import version
from .patches import APPLY_PATCH, media_types
from .resources import subresources

Schemas = Mapping[Kind, Raw]  # of kinds that Kubernetes does not publish

_V3, _V2 = "#/components/schemas/", "#/definitions/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_UNPUBLISHED = ("additionalProperties", "$schema", "$id", "$defs")
_INFO = {"title": "Kubernetes", "version": version()["gitVersion"]}
_LIST_PARAMETERS = ("labelSelector", "fieldSelector", "resourceVersion", "continue")


def path_of(kind: Kind) -> str:
    """`api/v1`, `apis/apps/v1`: where a group version's resources and its document are found."""
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def v3(kinds: Sequence[Kind], own: Schemas) -> bytes:
    """The document of the kinds of one group version."""
    names = {kind: _name(kind) for kind in kinds}
    schemas = _closure(names, own, _V3)
    paths = dict(entry for kind in kinds for entry in _paths(kind, names[kind], _V3))
    return encode({"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}})


def v2(kinds: Sequence[Kind], own: Schemas) -> Raw:
    """The document of all kinds."""
    names = {kind: _name(kind) for kind in kinds}
    paths = dict(entry for kind in kinds for entry in _paths(kind, names[kind], _V2))
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": _closure(names, own, _V2)}


@cache
def _published_names() -> Mapping[tuple[str, str, str], str]:
    """The name of a kind's definition, by group, version and kind."""
    return {
        (each["group"], each["version"], each["kind"]): name
        for name, schema in described_definitions().items()
        for each in schema.get("x-kubernetes-group-version-kind") or ()
        if name.endswith(f".{each['kind']}")
    }


def _name(kind: Kind) -> str:
    published = _published_names().get((kind.group, kind.version, kind.kind))
    return published or ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _closure(names: Mapping[Kind, str], own: Schemas, prefix: str) -> Raw:
    """The schemas of these kinds and all that they refer to."""
    published, found = described_definitions(), dict[str, Raw]()
    unpublished = {name: kind for kind, name in names.items() if name not in published}
    waiting = [*names.values(), f"{_META}DeleteOptions", f"{_META}Status"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        kind = unpublished.get(name)
        source = published[name] if kind is None else own.get(kind) or object_schema(kind) or _ANYTHING
        found[name] = _shown(source, prefix)
        if kind is not None:
            found[name] |= {"x-kubernetes-group-version-kind": [_gvk(kind)]}
        waiting.extend(_references(source))
    return found


_ANYTHING = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": f"#/$defs/{_META}ObjectMeta"},
    },
    "x-kubernetes-preserve-unknown-fields": True,
}


def _gvk(kind: Kind) -> Raw:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _shown(schema: Raw, prefix: str) -> Raw:
    """A schema as Kubernetes publishes it: without null among the types, and with references into the document."""
    if "oneOf" in schema and "properties" not in schema:
        return _alternatives(schema, prefix)
    shown: Raw = {}
    for word, value in schema.items():
        if word == "$ref":
            _refer(shown, f"{prefix}{value.rpartition('/')[2]}", alone=len(schema) == 1 or prefix == _V2)
        elif word == "type":
            shown["type"] = value if isinstance(value, str) else next(each for each in value if each != "null")
        elif word == "properties":
            shown["properties"] = {name: _shown(_loose(name, part), prefix) for name, part in value.items()}
        elif word == "items" or (word == "additionalProperties" and isinstance(value, dict)):
            shown[word] = _shown(value, prefix)
        elif word not in _UNPUBLISHED:
            shown[word] = value
    return shown


def _refer(shown: Raw, reference: str, *, alone: bool) -> None:
    """A v3 reference has no neighbours: what describes it stands beside an `allOf`."""
    if alone:
        shown["$ref"] = reference
    else:
        shown["allOf"] = [{"$ref": reference}]


def _loose(name: str, schema: Raw) -> Raw:
    """apiVersion and kind are plain strings; the one value that they may have is a matter of validation."""
    return (
        {word: value for word, value in schema.items() if word != "enum"} if name in ("apiVersion", "kind") else schema
    )


def _alternatives(schema: Raw, prefix: str) -> Raw:
    types = [next(each for each in part["type"] if each != "null") for part in schema["oneOf"] if "type" in part]
    rest = {word: value for word, value in schema.items() if word != "oneOf"}
    as_format = {"format": "int-or-string"} if "integer" in types else {}
    if prefix == _V2:
        return rest | {"type": "string"} | as_format
    return rest | {"oneOf": [{"type": each} for each in types]} | as_format


# Paths


def _paths(kind: Kind, name: str, prefix: str) -> Iterator[tuple[str, Raw]]:
    """The operations on a kind, as far as clients look at them: what each acts on and which parameters it takes."""
    if not kind.stored:
        return
    base = f"/{path_of(kind)}"
    collection = f"{base}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
    make = _Operations(kind, name, prefix)
    yield collection, make.operations(collection, get="list", post="post", delete="deletecollection")
    item = f"{collection}/{{name}}"
    yield item, make.operations(item, get="get", put="put", patch="patch", delete="delete")
    if "status" in subresources(kind):
        yield f"{item}/status", make.operations(f"{item}/status", get="get", put="put", patch="patch")


class _Operations:
    """Writes the operations on one kind."""

    def __init__(self, kind: Kind, name: str, prefix: str) -> None:
        self._kind = kind
        self._prefix = prefix
        self._schema = {"$ref": f"{prefix}{name}"}

    def operations(self, path: str, **actions: str) -> Raw:
        in_path = [self._parameter(name, "path") for name in ("namespace", "name") if f"{{{name}}}" in path]
        return {method: self._operation(path, method, action) for method, action in actions.items()} | {
            "parameters": in_path
        }

    def _operation(self, path: str, method: str, action: str) -> Raw:
        asked = {"list": _LIST_PARAMETERS, "get": ()}.get(action, ("dryRun",))
        writing = action in ("post", "put", "patch")
        if writing:
            asked = (*asked, "fieldManager", "fieldValidation")
        operation: Raw = {
            "operationId": f"{action}{path.replace('/', '_').replace('{', '').replace('}', '')}",
            "parameters": [self._parameter(name, "query") for name in asked],
            "responses": {str(code): self._response() for code in ((200, 201) if action == "post" else (200,))},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(self._kind),
        }
        return operation | (self._body(action, operation["parameters"]) if writing else {})

    def _body(self, action: str, parameters: list[Raw]) -> Raw:
        served = (*media_types(self._kind), APPLY_PATCH) if action == "patch" else ("application/json",)
        schema: Raw = {"type": "object"} if action == "patch" else self._schema
        if self._prefix == _V2:
            parameters.append({"name": "body", "in": "body", "required": True, "schema": schema})
            return {"consumes": list(served)}
        return {"requestBody": {"content": {each: {"schema": schema} for each in served}}}

    def _parameter(self, name: str, place: str) -> Raw:
        typed: Raw = {"type": "string"}
        shape = typed if self._prefix == _V2 else {"schema": typed}
        return {"name": name, "in": place, **shape, **({"required": True} if place == "path" else {})}

    def _response(self) -> Raw:
        if self._prefix == _V2:
            return {"description": "OK", "schema": self._schema}
        return {"description": "OK", "content": {"application/json": {"schema": self._schema}}}
