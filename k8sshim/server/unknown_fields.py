"""Fields that a kind does not have: told of by a warning, refused under strict validation, or passed over in silence.

What is unknown is never stored, whichever of the three a client asks for.
https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.validation.field import join
from k8sshim.validation.schema import definition, fits, object_schema

from .custom import CustomKind
from .custom import prune as prune_custom
from .status import bad_request

POLICIES = ("", "Warn", "Strict", "Ignore")


@dataclass
class FieldValidation:
    """What a request asks for, and the warnings that its answer carries."""

    policy: str = ""
    warnings: list[str] = field(default_factory=list)

    def checked(self, kind: Kind, raw: Any) -> Any:
        """The object without what its kind does not know. Raises ApiError 400 under strict validation."""
        if not isinstance(raw, dict) or raw.get("kind", kind.kind) != kind.kind:
            return raw
        if isinstance(kind, CustomKind):
            unknown = prune_custom(raw, kind.schema) if kind.schema else []
        else:
            unknown = [] if fits(raw, kind) else list(prune(raw, object_schema(kind)))
        found = [f'unknown field "{path}"' for path in unknown]
        if found and self.policy == "Strict":
            what = f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}"
            raise bad_request(f"{what}: strict decoding error: {', '.join(found)}".replace("'", '"'))
        if self.policy != "Ignore":
            self.warnings.extend(found)
        return raw

    def of_patch(self, kind: Kind, patch: Callable[[Raw], Raw]) -> Callable[[Raw], Raw]:
        """A patch whose outcome is checked."""
        return lambda raw: self.checked(kind, patch(raw))


def prune(value: Any, schema: Raw, path: str = "") -> Iterator[str]:
    """Take out of a value what its schema does not know; the paths of what was there."""
    while "$ref" in schema:
        schema = definition(schema["$ref"])
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from prune(item, schema.get("items") or {}, join(path, place))
    elif isinstance(value, dict):
        yield from _prune_members(value, schema, path)


def _prune_members(value: Raw, schema: Raw, path: str) -> Iterator[str]:
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in list(value):
        if name in known:
            yield from prune(value[name], known[name], join(path, name))
        elif isinstance(others, dict):
            yield from prune(value[name], others, join(path, name))
        elif known and others is False:
            del value[name]
            yield join(path, name)
