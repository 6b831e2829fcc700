"""Slots, weights and turns; and the checksums of packets that wait for their turn."""

from __future__ import annotations

import struct
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import framework
from controller.balancing import HASH_VALUES, bucket_weights, consistent, most_slots, weighted
from controller.checksums import crc32c, finished, internet
from controller.encode import Encoder
from controller.limits import Bucket
from controller.turns import BURST, Turns

pytestmark = pytest.mark.unit
ENCODER = Encoder(framework.load("os-ken").protocol)
names = st.lists(st.text("0123456789.:", min_size=1), min_size=2, max_size=24, unique=True)


@settings(max_examples=50, deadline=None)
@given(names)
def test_a_consistent_table_is_even_and_complete(endpoints: list[str]) -> None:
    counts = Counter(consistent(endpoints))
    assert set(counts) == set(range(len(endpoints)))
    assert max(counts.values()) - min(counts.values()) <= 1


@settings(max_examples=50, deadline=None)
@given(names, st.data())
def test_when_one_leaves_few_slots_change_but_its_own(endpoints: list[str], data: st.DataObject) -> None:
    leaving = data.draw(st.sampled_from(endpoints))
    rest = [name for name in endpoints if name != leaving]
    before = [endpoints[place] for place in consistent(endpoints)]
    after = [rest[place] for place in consistent(rest)] if len(rest) > 1 else rest * len(before)
    moved = [one for one, other in zip(before, after, strict=True) if one not in (leaving, other)]
    assert len(moved) <= len(before) / 12


def test_a_consistent_table_depends_on_the_endpoints_alone() -> None:
    one, other = ["a", "b", "c"], ["c", "a", "b"]
    assert Counter(one[place] for place in consistent(one)).keys() == set(one)
    assert [len(consistent([f"10.0.0.{i}" for i in range(count)])) for count in (1, 2, 102, 103, 2000)] == [
        1, 1024, 1024, 16384, 16384,
    ]  # fmt: skip
    assert consistent(other) == consistent(other)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_weighted_slots_are_as_many_as_the_weights_say(weights: list[int]) -> None:
    counts, total = Counter(weighted(weights)), sum(weights)
    slots = sum(counts.values())
    for place, weight in enumerate(weights):
        assert abs(counts[place] / slots - weight / total) < 0.005


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_buckets_weigh_what_endpoints_weigh_and_open_vswitch_can_tell(weights: list[int]) -> None:
    """It spreads sum / smallest hash values, rounded up to a power of two: 16 at least, 256 at most."""
    buckets = bucket_weights(weights)
    folded = [*buckets[: len(weights)]]
    folded[0] += sum(buckets[len(weights) :])
    assert sum(buckets) <= HASH_VALUES + len(weights)
    for weight, share in zip(weights, folded, strict=True):
        assert abs(share / sum(folded) - weight / sum(weights)) < (len(weights) + 1) / HASH_VALUES
    if len(set(weights)) > 1:
        assert sum(buckets) / min(buckets) > HASH_VALUES / 2


@pytest.mark.parametrize("count", [1, 2, 4, 16, 64])
def test_equal_buckets_that_are_a_power_of_two_need_no_more_hash_values(count: int) -> None:
    assert bucket_weights([7] * count) == (1,) * count


def test_the_endpoint_with_most_slots() -> None:
    assert most_slots([2, 0, 1, 1]) == 1
    assert most_slots([3, 1]) == 3


def test_each_bridge_and_each_service_port_takes_its_own_turns() -> None:
    turns = Turns(ENCODER, lambda: 0.0)

    def slot(dpid: int, service_port: int) -> int:
        message = turns.answer(dpid, {"in_port": 18, "reg5": service_port, "reg6": 3}, b"frame")
        assert message is not None
        register_6 = message.index(struct.pack("!HI", 15, 0x00010C04)) + 6
        return int(struct.unpack_from("!Q", message, register_6)[0])

    assert [slot(1, 7) for _ in range(5)] == [0, 1, 2, 0, 1]
    assert [slot(2, 7), slot(1, 8), slot(1, 7)] == [0, 0, 2]


def test_turns_have_a_rate() -> None:
    now = [0.0]
    turns = Turns(ENCODER, lambda: now[0])
    asked = {"in_port": 1, "reg5": 7, "reg6": 2}
    given_ = [turns.answer(1, asked, b"frame") for _ in range(int(BURST) + 5)]
    assert sum(one is not None for one in given_) == BURST
    assert turns.answer(2, asked, b"frame") is not None
    now[0] = 1.0
    assert turns.answer(1, asked, b"frame") is not None


def test_a_bucket_fills_up_to_its_burst() -> None:
    bucket = Bucket(rate=10, burst=2, now=0)
    assert [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0.1)] == [True, True, False, True]
    assert [bucket.take(9), bucket.take(9), bucket.take(9)] == [True, True, False]


def test_the_check_values_of_the_two_sums() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the CRC's published check value
    assert internet(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D  # RFC 1071, 3


def frame_of(protocol: int, header: bytes, body: bytes = b"odd", fragment: int = 0) -> bytes:
    addresses = bytes([10, 244, 1, 2, 10, 96, 0, 10])
    total = 20 + len(header) + len(body)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, total, 1, fragment, 64, protocol, 0) + addresses
    return bytes(12) + b"\x08\x00" + ip + header + body + bytes(4)  # and padding of the frame


@pytest.mark.parametrize(
    ("protocol", "header", "at"),
    [(6, bytes(range(20)), 16), (17, struct.pack("!HHHH", 40000, 53, 11, 0xBEEF), 6)],
    ids=["TCP", "UDP"],
)
def test_checksums_are_finished(protocol: int, header: bytes, at: int) -> None:
    """A receiver sums the pseudo header and all that follows it, the checksum too, to nothing (RFC 1071)."""
    frame = finished(frame_of(protocol, header))
    segment = frame[34:-4]
    assert internet(frame[26:34] + struct.pack("!HH", protocol, len(segment)) + segment) == 0
    unchanged = frame_of(protocol, header)
    assert frame[: 34 + at] + frame[36 + at :] == unchanged[: 34 + at] + unchanged[36 + at :]


def test_the_checksum_of_sctp_is_another() -> None:
    header = struct.pack("!HHII", 40000, 90, 7, 0xDEADBEEF)
    frame = finished(frame_of(132, header))
    assert frame[42:46] == struct.pack("<I", crc32c(header[:8] + bytes(4) + b"odd"))


@pytest.mark.parametrize(
    "frame",
    [
        b"short",
        frame_of(1, bytes(8)),
        frame_of(17, bytes(8), fragment=0x2000),
        frame_of(6, bytes(20))[:40],
        bytes(12) + b"\x08\x06" + bytes(40),
    ],
    ids=["short", "ICMP", "fragment", "cut", "ARP"],
)
def test_what_has_no_checksum_to_finish_stays(frame: bytes) -> None:
    assert finished(frame) == frame
