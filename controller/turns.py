"""Round robin: Open vSwitch has none of its own, so the first packet of a connection comes up here for its slot.

It goes back in at the port that it came from, with the slot in a register, and through every stage again: conntrack
knows it if another packet of the connection was here first. A bridge takes turns by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from .actions import SetField, load
from .checksums import finished
from .encode import Encoder
from .limits import Bucket
from .marks import SERVICE_PORT, SLOT, SLOT_GIVEN
from .tables import CLASSIFIER

RATE, BURST = 2000.0, 1000.0  # connections a second and switch; what is beyond is dropped, and its client tries again


class Turns:
    """Whose turn it is at each Service port of each bridge. One thread asks."""

    def __init__(self, encoder: Encoder, clock: Callable[[], float]) -> None:
        self._encoder, self._clock = encoder, clock
        self._buckets: dict[int, Bucket] = {}
        self._taken: dict[int, Counter[int]] = {}

    def answer(self, dpid: int, fields: Mapping[str, int], frame: bytes) -> bytes | None:
        """The message that sends a packet back with its slot; `fields` are the packet's port and registers."""
        now = self._clock()
        if not self._buckets.setdefault(dpid, Bucket(RATE, BURST, now)).take(now):
            return None
        slot = self._next(dpid, SERVICE_PORT.value_in(fields), SLOT.value_in(fields))
        marks = (SetField("in_port", fields["in_port"]), load(SLOT, slot), load(SLOT_GIVEN, 1))
        return self._encoder.packet_out(finished(frame), marks, CLASSIFIER)

    def _next(self, dpid: int, service_port: int, slots: int) -> int:
        taken = self._taken.setdefault(dpid, Counter())
        slot = taken[service_port] % max(slots, 1)
        taken[service_port] += 1
        return slot
