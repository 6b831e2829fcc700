"""A lab's Services: written to the API, programmed by the controller."""

from __future__ import annotations

from experiments.scaling.lab_side import LabSide
from experiments.scaling.parameters import PODWIRE, Scaling
from experiments.scaling.places import Place
from experiments.scaling.services import (
    VirtualService,
    service_object,
    services,
    slice_objects,
)
from k8sshim.client import ENDPOINT_SLICES, SERVICES
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Raw


class LabSystem:
    """The system under test."""

    name = PODWIRE

    def __init__(self, given: Scaling, place: Place, lab: LabSide) -> None:
        self.place = place
        self._given, self._lab = given, lab
        self._made: list[VirtualService] = []

    def load(self, size: int) -> list[VirtualService]:
        """Write Services and their EndpointSlices, a few at once; those before are gone already."""
        planned = services(size, self._given.endpoints, self.place.servers[:-1])
        self._made = self._lab.each(self._create, planned)
        return self._made

    def clear(self) -> None:
        """Delete every Service."""
        self._lab.each(self._delete, self._made)
        self._made = []

    def write(self, new: VirtualService) -> None:
        raw = self._lab.client.get(ENDPOINT_SLICES, self._key(new))
        if raw is None:
            raise PodwireError(f"EndpointSlice {self._key(new)} is gone")
        self._lab.client.update(ENDPOINT_SLICES, {**raw, "endpoints": self._slices(new)[0]["endpoints"]})

    def entries(self) -> int:
        return self._lab.entries()

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        return self._lab.memory_mib()

    def _create(self, one: VirtualService) -> VirtualService:
        raw = self._lab.client.create(SERVICES, service_object(one, self._given.client.namespace))
        for raw_slice in self._slices(one):
            self._lab.client.create(ENDPOINT_SLICES, raw_slice)
        return VirtualService(one.number, one.endpoints, raw["spec"]["clusterIP"])

    def _delete(self, one: VirtualService) -> VirtualService:
        self._lab.client.delete(SERVICES, self._key(one))
        for raw in self._slices(one):
            self._lab.client.delete(ENDPOINT_SLICES, Key.of(raw))
        return one

    def _slices(self, one: VirtualService) -> list[Raw]:
        return slice_objects(one, self._given.client.namespace)

    def _key(self, one: VirtualService) -> Key:
        return Key(self._given.client.namespace, one.name)
