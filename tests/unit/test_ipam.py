"""Address management: never twice, never at once again, never what is not the pods'."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.ipam import FIRST_POD_PORT, Range, mac_of
from k8sshim.objects import POD_NETWORK_ANNOTATION, Pod, PodNetwork

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("cidrs", "offset", "network"),
    [
        (("10.244.1.0/24",), 2, PodNetwork(("10.244.1.2",), "0a:58:0a:f4:01:02", 18)),
        (("10.244.1.0/24",), 254, PodNetwork(("10.244.1.254",), "0a:58:0a:f4:01:fe", 270)),
        (("10.0.0.128/25", "fd00::/64"), 3, PodNetwork(("10.0.0.131", "fd00::3"), "0a:58:0a:00:00:83", 19)),
        (("fd00:0:0:1::/64",), 7, PodNetwork(("fd00:0:0:1::7",), "0a:58:00:00:00:07", 23)),
    ],
)
def test_place_in_the_network(cidrs: tuple[str, ...], offset: int, network: PodNetwork) -> None:
    addresses = Range.of(cidrs)
    assert addresses.network(offset) == network
    assert addresses.offset_of(network) == offset


@pytest.mark.parametrize(
    ("cidr", "first", "last"),
    [
        ("10.0.0.0/24", 2, 254),
        ("10.0.0.0/29", 2, 6),
        ("10.0.0.0/30", 2, 2),
        ("10.0.0.0/8", 2, 0xFEFF - FIRST_POD_PORT),
        ("fd00::/125", 2, 7),  # IPv6 has no broadcast address
    ],
)
def test_range(cidr: str, first: int, last: int) -> None:
    assert (Range.of([cidr]).first, Range.of([cidr]).last) == (first, last)


@pytest.mark.parametrize("cidrs", [[], ["10.0.0.0/31"], ["10.0.0.1/32"]])
def test_a_range_without_addresses_gives_none(cidrs: list[str]) -> None:
    assert Range.of(cidrs).next_offset(0, ()) is None


@pytest.mark.parametrize(
    "forged",
    [
        PodNetwork(("10.244.1.1",), "0a:58:0a:f4:01:01", 17),  # the gateway's
        PodNetwork(("10.244.1.255",), "0a:58:0a:f4:01:ff", 271),  # broadcast
        PodNetwork(("10.244.2.5",), "0a:58:0a:f4:02:05", 21),  # another node's
        PodNetwork(("10.244.1.5",), "0a:58:0a:f4:01:06", 21),  # another pod's MAC
        PodNetwork(("10.244.1.5",), "0a:58:0a:f4:01:05", 22),  # another pod's port
        PodNetwork(("10.244.1.5", "10.244.1.6"), "0a:58:0a:f4:01:05", 21),
        PodNetwork((), "", -4),
    ],
)
def test_what_a_range_never_gives_out_is_no_offset_of_it(forged: PodNetwork) -> None:
    assert Range.of(["10.244.1.0/24"]).offset_of(forged) is None


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", "7", {}, "[" * 100_000, '{"port": "x"}'),
        '{"addresses": 1, "mac": "0a:58:0a:f4:00:02", "port": 18}',
        '{"addresses": [], "mac": "0a:58:0a:f4:00:02", "port": 18}',
        '{"addresses": ["10.244.0.2", "x"], "mac": "0a:58:0a:f4:00:02", "port": 18}',
        '{"addresses": ["10.244.0.2"], "mac": "; rm", "port": 18}',
        '{"addresses": ["10.244.0.2"], "mac": 7, "port": 18}',
        '{"addresses": ["10.244.0.2"], "mac": "0a:58:0a:f4:00:02", "port": "18"}',
    ],
)
def test_annotations_that_make_no_sense_claim_nothing(text: object) -> None:
    assert PodNetwork.claimed(text) is None
    raw = {"metadata": {"name": "p", "annotations": {POD_NETWORK_ANNOTATION: text}}}
    assert Pod.parse(raw).network is None


class Node:
    """One node's addresses under a random life: pods come and go, the process begins anew."""

    def __init__(self, cidr: str) -> None:
        self.range = Range.of([cidr])
        self.last = self.mark = 0
        self.used: list[int] = []

    def allocate(self) -> int | None:
        offset = self.range.next_offset(self.last, set(self.used))
        if offset is not None:
            if not self.range.covers(self.mark, offset):
                self.mark = self.range.mark(offset)
            self.last = offset
            self.used.append(offset)
        return offset

    def release(self, choice: int) -> None:
        if self.used:
            self.used.pop(choice % len(self.used))

    def restart(self) -> None:
        self.last = self.mark


LIVES = st.lists(st.one_of(st.just("allocate"), st.integers(0, 999), st.just("restart")), max_size=300)


@given(prefix=st.integers(24, 30), life=LIVES)
def test_no_address_is_given_out_twice_nor_one_that_is_not_the_pods(prefix: int, life: list[object]) -> None:
    node = Node(f"10.0.0.0/{prefix}")
    network = ip_network(f"10.0.0.0/{prefix}")
    for step in life:
        if step == "allocate":
            before = set(node.used)
            offset = node.allocate()
            if offset is None:
                assert len(before) == network.num_addresses - 3
                continue
            assert offset not in before
            address = ip_address(node.range.network(offset).addresses[0])
            assert address in network and address not in (network[0], network[1], network[-1])
        elif step == "restart":
            node.restart()
        else:
            node.release(int(str(step)))


@given(prefix=st.integers(27, 30), life=st.lists(st.one_of(st.just("allocate"), st.integers(0, 99)), max_size=200))
def test_no_address_is_used_again_before_every_other_was(prefix: int, life: list[object]) -> None:
    """From one use of an address to its next, every other address was in use at some time."""
    node = Node(f"10.0.0.0/{prefix}")
    used_since: dict[int, set[int]] = {}  # by offset: the others that were in use since it was given out
    for step in life:
        if step != "allocate":
            node.release(int(str(step)))
            continue
        offset = node.allocate()
        if offset is None:
            continue
        if offset in used_since:
            assert len(used_since[offset] - {offset}) == node.range.size - 1
        for others in used_since.values():
            others.add(offset)
        used_since[offset] = set(node.used)


@given(st.integers(0, 252), st.integers(1, 60))
def test_a_restart_skips_little_and_goes_on_ahead(start: int, pods: int) -> None:
    node = Node("10.0.0.0/24")
    node.last = node.mark = 2 + start
    given = [node.allocate() for _ in range(pods)]
    node.used.clear()  # all end while the process is down
    node.restart()
    size = node.range.size
    ahead = (int(str(node.allocate())) - int(str(given[-1]))) % size
    assert 1 <= ahead <= 1 + size // 32


def test_mac_follows_the_address() -> None:
    assert mac_of("10.244.1.17") == "0a:58:0a:f4:01:11"
