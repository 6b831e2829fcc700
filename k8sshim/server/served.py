"""What is served now: the built-in kinds, and those of the CustomResourceDefinitions that are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from k8sshim.kinds import KINDS, Kind
from k8sshim.objects import Raw
from k8sshim.records import Event
from k8sshim.store import Store

from . import metrics, resources
from .custom import CustomKind, kinds_of
from .resources import DEFINITIONS, resource_name

RemoveAll = Callable[[str], None]  # every object of a resource


class Served:
    """The kinds, by path and by the resource that the store knows them by."""

    def __init__(self) -> None:
        self._custom: dict[str, tuple[CustomKind, ...]] = {}  # by the definition's name
        self._known: dict[str, CustomKind] = {}  # by resource; also those whose objects are still on their way out

    @property
    def kinds(self) -> Sequence[Kind]:
        return (*KINDS, *metrics.KINDS, *self.custom)

    @property
    def custom(self) -> Sequence[CustomKind]:
        return tuple(kind for name in sorted(self._custom) for kind in self._custom[name])

    @property
    def schemas(self) -> dict[Kind, Raw]:
        """Of the kinds that Kubernetes does not publish."""
        return {kind: kind.schema for kind in self.custom if kind.schema}

    def lookup(self, group: str, version: str, plural: str) -> Kind | None:
        built_in = resources.lookup(group, version, plural)
        if built_in is not None:
            return built_in
        if group == metrics.GROUP:
            return next((kind for kind in metrics.KINDS if (kind.version, kind.plural) == (version, plural)), None)
        kinds = self._custom.get(f"{plural}.{group}", ())
        return next((kind for kind in kinds if kind.version == version), None)

    def by_storage_name(self, resource: str) -> Kind:
        return self._known.get(resource) or resources.by_storage_name(resource)

    def follow(self, store: Store, remove_all: RemoveAll) -> None:
        """Serve what the definitions in the store say, from now on; a definition's objects end with it."""
        for record in store.records(resource_name(DEFINITIONS)):
            self._learn(kinds_of(record.decode()))

        def on_event(event: Event) -> None:
            kinds = list(kinds_of(event.record.decode()))
            if not event.deleted:
                self._learn(kinds)
            elif self._custom.pop(event.record.key.name, None):
                remove_all(event.record.key.name)

        store.subscribe(resource_name(DEFINITIONS), on_event)

    def _learn(self, kinds: Iterable[CustomKind]) -> None:
        ordered = sorted(kinds, key=lambda kind: not kind.preferred)
        if ordered:
            name = resource_name(ordered[0])
            self._custom[name] = tuple(ordered)
            self._known[name] = ordered[0]
