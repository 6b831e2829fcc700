"""The peer's rules: every Service has its chains, chances are even, and a change touches what changed alone."""

from __future__ import annotations

import re

import pytest

from experiments.scaling import iptables, nftables
from experiments.scaling.services import STREAM, Endpoint, VirtualService, sample, services, slice_objects

pytestmark = pytest.mark.unit

SERVERS = [Endpoint(f"server-{number}", f"198.18.{number}.2") for number in range(1, 5)]
MADE = services(3, 3, SERVERS, "10.96.0.0/16")
PODS = "198.18.0.0/16"


def test_services_have_addresses_and_the_next_servers_in_turn() -> None:
    assert [one.address for one in MADE] == ["10.96.0.1", "10.96.0.2", "10.96.0.3"]
    assert [to.name for to in MADE[2].endpoints] == ["server-3", "server-4", "server-1"]
    assert [one.address for one in services(1, 1, SERVERS)] == [""]


def test_a_sample_is_spread_from_the_first_to_the_last() -> None:
    many = services(100, 1, SERVERS)
    assert [one.number for one in sample(many, 4)] == [0, 33, 66, 99]
    assert [one.number for one in sample(many[:2], 5)] == [0, 1, 0, 1, 0]


def test_streams_have_one_endpoint_in_a_slice_of_their_own() -> None:
    main, stream = slice_objects(MADE[0], "scale")
    assert len(main["endpoints"]) == 3
    assert len(stream["endpoints"]) == 1
    assert stream["ports"][0]["name"] == STREAM
    assert len(slice_objects(MADE[1], "scale")) == 1


def test_every_chain_that_iptables_jumps_to_is_declared_and_each_endpoint_has_an_even_chance() -> None:
    text = iptables.whole(MADE, PODS)
    declared = set(re.findall(r"^:(\S+)", text, re.M))
    jumps = set(re.findall(r"-j (KUBE-\S+)", text))
    assert jumps <= declared
    chances = re.findall(r"--probability (\S+)", text)
    assert chances == ["0.3333333333", "0.5000000000"] * 3
    assert text.count("-j DNAT") == 3 * 3 + 1
    assert iptables.count(text) == sum(line.startswith("-A") for line in text.splitlines())


def test_a_change_in_iptables_writes_the_top_and_one_service() -> None:
    new = MADE[1].with_endpoints(SERVERS[3], *MADE[1].endpoints[1:])
    text = iptables.change(MADE, MADE[1], new, PODS)
    written = set(re.findall(r"^-A (\S+)", text, re.M))
    assert sum(one.startswith("KUBE-SVC") for one in written) == 1
    assert len(re.findall(r"^-A KUBE-SERVICES", text, re.M)) == 4
    (gone,) = re.findall(r"^-X (\S+)", text, re.M)
    assert f":{gone} - [0:0]" in text
    assert gone not in written


def test_every_chain_that_nft_goes_to_is_there_before() -> None:
    text = nftables.whole(MADE, PODS)
    declared = set(re.findall(r"^add chain ip kube-proxy (\S+)", text, re.M))
    assert set(re.findall(r"(?:goto|jump) ([^ ,\n]+)", text)) <= declared
    assert text.count("numgen random mod 3") == 3
    assert text.count("dnat to") == 3 * 3 + 1


def test_a_change_in_nft_is_one_transaction_about_one_service() -> None:
    new: VirtualService = MADE[1].with_endpoints(SERVERS[3])
    text = nftables.change(MADE[1], new, PODS)
    assert "service-0" not in text
    assert "numgen random mod 1" in text
    deleted = re.findall(r"^delete chain ip kube-proxy (\S+)", text, re.M)
    assert len(deleted) == 2
    assert all(f"flush chain ip kube-proxy {name}" in text for name in deleted)
