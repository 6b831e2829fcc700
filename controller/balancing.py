"""Who of a Service port's endpoints gets how much: tables of slots, and the weights of buckets. Pure.

A hash of a packet names a slot and a slot belongs to an endpoint. Each function depends on the endpoints alone, not on
what was before, so that every bridge and every process agrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from math import gcd
from random import Random
from typing import TypeVar

T = TypeVar("T")
SIZES = (1024, 16384)  # of consistent tables: two, since with another size nearly every client moves
SLOTS_AN_ENDPOINT = 10  # at least, in the first
HASH_VALUES = 256  # the most that Open vSwitch spreads over the buckets of a group
MOST_SLOTS = 1000  # of a weighted table


def consistent(names: Sequence[str]) -> tuple[int, ...]:
    """Maglev's table (Eisenbud et al., NSDI 2016, 3.4): for each slot the place of its endpoint in `names`.

    The endpoints take turns, each on to the next free slot of an order of its own. So all have the same number of
    slots, or one more; and where one leaves, few slots change hands but its own. The order is that of first appearance
    in an endless sequence, of which but a part is looked at: whole orders take seconds where there are many endpoints.
    """
    if len(names) == 1:
        return (0,)
    size = SIZES[0] if len(names) * SLOTS_AN_ENDPOINT <= SIZES[0] else SIZES[1]
    sequences = [Random(name) for name in names]  # noqa: S311 - no secret, but the same in every process
    table: dict[int, int] = {}
    for turn in range(size):
        who = turn % len(names)
        table[_free_slot(sequences[who], size, table)] = who
    return tuple(table[slot] for slot in range(size))


def _free_slot(sequence: Random, size: int, taken: Container[int]) -> int:
    """The paper's steps of equal length would make two endpoints with the same length swap many slots."""
    while (slot := int(sequence.random() * size)) in taken:
        pass
    return slot


def weighted(weights: Sequence[int]) -> tuple[int, ...]:
    """As many slots for each as its weight says, scaled down where they would be too many."""
    scaled = _scaled(weights, MOST_SLOTS)
    return tuple(place for place, weight in enumerate(scaled) for _ in range(weight))


def bucket_weights(weights: Sequence[int]) -> tuple[int, ...]:
    """Weights of a group's buckets, and of one more for the first endpoint, that Open vSwitch keeps to well.

    It spreads as many hash values as the sum of the weights has of the smallest, rounded up to a power of two: 16 for
    three equal buckets, of which one gets 6. So one of the buckets here weighs 1, and the sum is near its limit; but
    for a power of two of equal ones, that need no more.
    """
    count, total = len(weights), sum(weights)
    if len(set(weights)) == 1 and count & (count - 1) == 0:
        return (1,) * count
    scaled = [max(1, weight * HASH_VALUES // total) for weight in weights]
    return tuple(scaled) if 1 in scaled else (scaled[0] - 1, *scaled[1:], 1)


def most_slots(slots: Sequence[T]) -> T:
    """The endpoint that has the most slots, of several the first."""
    return Counter(slots).most_common(1)[0][0]


def _scaled(weights: Sequence[int], limit: int) -> list[int]:
    divisor = gcd(*weights)
    total = sum(weights) // divisor
    if total <= limit:
        return [weight // divisor for weight in weights]
    return [max(1, weight * limit // (total * divisor)) for weight in weights]
