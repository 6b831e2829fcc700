"""Groups are told apart by number, also where the digests of what they are for are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_model import OUTSIDE_HOST, endpoint, endpoint_slice, host_of, network_of, pod, service

from controller import numbers

pytestmark = pytest.mark.unit
HTTP = ("http", "TCP", 80)
ADDRESSES = ("198.51.100.1", "198.51.100.2", "198.51.100.3")


def test_equal_ways_and_external_addresses_with_one_digest_have_groups_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "digest", lambda text, bits: len(text) % 200)
    pods = [pod(name, on, 2) for on, name in enumerate("abcd", 1)]
    network = network_of(4, *pods, leaves=2, choose=lambda buckets: buckets - 1, outside=True)
    for number, address in enumerate(ADDRESSES):
        one = replace(service(f"s{number}", f"10.96.0.{number + 10}", HTTP), external_local=True)
        ends = [replace(endpoint(host_of(p).address), node=p.node) for p in (pods[number], pods[number + 1])]
        network.put(replace(one, ingress_ips=(address,)), endpoint_slice(f"s{number}", ends, HTTP))
    for number, address in enumerate(ADDRESSES):
        arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.packet(address, "TCP", 80, tcp_src=40000 + number))
        assert arrival.fields["ipv4_dst"] in {host_of(pods[number]).address, host_of(pods[number + 1]).address}
        assert network.reply(arrival).fields["ipv4_src"] == address
    for one in pods:
        for other in pods:
            assert network.one(host_of(one), host_of(one).ping(host_of(other).address)).dpid == host_of(other).dpid
