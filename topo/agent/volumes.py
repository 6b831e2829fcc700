"""Volumes whose content the API gives: ConfigMaps, Secrets, the downward API, and projections of several. Pure.

https://kubernetes.io/docs/concepts/storage/volumes/ and .../projected-volumes/. Their files are written when a
container of the pod starts; a change of the object is seen by the next one that does.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from k8sshim.errors import PodwireError
from k8sshim.objects import Raw

Referred = Mapping[tuple[str, str], Mapping[str, str]]  # ("configMap" or "secret", name) -> its data


@dataclass(frozen=True)
class Part:
    """Where files of a volume come from."""

    source: str  # "configMap", "secret" or "field"
    name: str = ""  # the object's
    items: tuple[tuple[str, str], ...] = ()  # key (or field's path) and file's path; () is all keys
    optional: bool = False


@dataclass(frozen=True)
class Mount:
    """A volume of that kind in a container."""

    volume: str
    path: str
    sub_path: str = ""


Volumes = Mapping[str, tuple[Part, ...]]


def parse(volumes: Iterable[Raw]) -> dict[str, tuple[Part, ...]]:
    """The volumes of a pod whose content the API gives."""
    return {volume["name"]: parts for volume in volumes if (parts := tuple(_parts(volume)))}


def _parts(raw: Raw) -> Iterator[Part]:
    for source in (raw, *((raw.get("projected") or {}).get("sources") or ())):
        for kind, named in (("configMap", "name"), ("secret", "secretName" if source is raw else "name")):
            if kind in source:
                given = source[kind] or {}
                items = tuple((item["key"], item["path"]) for item in given.get("items") or ())
                yield Part(kind, given.get(named) or "", items, bool(given.get("optional")))
        if "downwardAPI" in source:
            given = (source["downwardAPI"] or {}).get("items") or ()
            fields = ((item["fieldRef"]["fieldPath"], item["path"]) for item in given if "fieldRef" in item)
            yield Part("field", items=tuple(fields))


def references(parts: Iterable[Part]) -> set[tuple[str, str]]:
    """The objects that must be fetched before `contents` is called."""
    return {(part.source, part.name) for part in parts if part.source != "field"}


def contents(parts: Iterable[Part], referred: Referred, fields: Mapping[str, str]) -> dict[str, str]:
    """The files of a volume, by path. Raises PodwireError for what is not there, or leads out of the volume."""
    found: dict[str, str] = {}
    for part in parts:
        found.update(_contents(part, referred, fields))
    for path in found:
        if path.startswith("/") or ".." in path.split("/"):
            raise PodwireError(f"volume path {path!r} leads out of its volume")
    return {posixpath.normpath(path): text for path, text in found.items()}


def _contents(part: Part, referred: Referred, fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if part.source == "field":
        yield from ((path, field_text(field, fields)) for field, path in part.items)
        return
    data = referred.get((part.source, part.name))
    if data is None:
        if not part.optional:
            raise PodwireError(f'MountVolume.SetUp failed: {part.source} "{part.name}" not found')
        return
    for key, path in part.items or [(key, key) for key in data]:
        if key in data:
            yield path, data[key]
        elif not part.optional:
            raise PodwireError(f'MountVolume.SetUp failed: {part.source} "{part.name}" has no key {key}')


def field_text(field: str, fields: Mapping[str, str]) -> str:
    """A field as a file has it: all labels or annotations are lines of `name="value"`."""
    if field not in ("metadata.labels", "metadata.annotations"):
        return fields.get(field, "")
    start = f"{field}['"
    entries = sorted((name[len(start) : -2], value) for name, value in fields.items() if name.startswith(start))
    quoted = ((name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in entries)
    return "\n".join(f'{name}="{value}"' for name, value in quoted)
