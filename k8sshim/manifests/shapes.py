"""What the API says about merging an object's lists and maps, read from the published schemas as a merge goes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from k8sshim import kinds
from k8sshim.objects import Raw
from k8sshim.validation.schema import definition, object_schema


@dataclass(frozen=True)
class Shape:
    """One place in an object, as its schema describes it; without a schema nothing merges but maps."""

    schema: Raw = field(default_factory=dict)

    @property
    def _strategy(self) -> str:
        return str(self.schema.get("x-kubernetes-patch-strategy") or "")

    @property
    def merges(self) -> bool:
        """Whether the list's elements are matched with those that are there."""
        return "merge" in self._strategy.split(",")

    @property
    def retain_keys(self) -> bool:
        """Whether setting a field of this map drops those that are not set (the alternatives of a union)."""
        return "retainKeys" in self._strategy.split(",")

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that tell the list's elements apart; none for a list of plain values."""
        single = self.schema.get("x-kubernetes-patch-merge-key")
        return tuple(self.schema.get("x-kubernetes-list-map-keys") or ([single] if single else []))

    def below(self, name: str) -> Shape:
        """A field of the map."""
        properties = self._resolved().get("properties") or {}
        return Shape(properties.get(name) or {})

    def element(self) -> Shape:
        """An element of the list; it retains keys where the list says so."""
        items: dict[str, Any] = dict(self.schema.get("items") or {})
        return Shape({**items, "x-kubernetes-patch-strategy": "retainKeys"} if self.retain_keys else items)

    def _resolved(self) -> Raw:
        reference = self.schema.get("$ref")
        return definition(reference) if isinstance(reference, str) else self.schema


def shape_of(api_version: str, kind: str) -> Shape:
    """The shape of a kind's objects; of a kind without a published schema, an empty one."""
    entry = kinds.find(api_version, kind)
    return Shape(object_schema(entry) if entry else {})
