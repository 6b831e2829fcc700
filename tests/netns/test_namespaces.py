"""Namespaces as the kernel shows them: addresses, routes, settings, and threads that stay where they were."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ports_suite import link

from topo import netns
from topo.netns import BareEnd, BarePair, LinuxNamespaces, inside
from topo.ports import PartlyDone

pytestmark = pytest.mark.netns
LINK = link(9, "switchd-test")
NAMES = ["pod-9", "switchd-test", "other-test"]


@pytest.fixture
def namespaces() -> Iterator[LinuxNamespaces]:
    real = LinuxNamespaces()
    real.create(NAMES)
    yield real
    real.disconnect([LINK])
    real.delete(NAMES)


def ip(namespace: str, *arguments: str) -> Any:
    """What `ip -json` says in a namespace."""
    argv = ["ip", "-n", namespace, "-json", "-detail", *arguments]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def identity(path: str = "/proc/thread-self/ns/net") -> int:
    return Path(path).stat().st_ino


def test_a_links_two_ends(namespaces: LinuxNamespaces) -> None:
    namespaces.connect([LINK])
    (pod,) = ip("pod-9", "address", "show", "dev", "eth0")
    assert (pod["address"], pod["mtu"], "UP" in pod["flags"]) == (LINK.mac, 1400, True)
    assert [(one["local"], one["prefixlen"]) for one in pod["addr_info"]] == [("10.244.1.9", 24)]
    (route,) = ip("pod-9", "route", "show", "default")
    assert (route["gateway"], route["dev"]) == ("10.244.1.1", "eth0")
    (peer,) = ip("switchd-test", "address", "show", "dev", LINK.peer)
    assert (peer["mtu"], "UP" in peer["flags"], peer["addr_info"]) == (1400, True, [])


def test_connecting_again_sets_anew(namespaces: LinuxNamespaces) -> None:
    namespaces.connect([LINK])
    namespaces.connect([replace(LINK, mac="0a:58:00:00:00:01", mtu=1300)])
    (pod,) = ip("pod-9", "address", "show", "dev", "eth0")
    assert (pod["address"], pod["mtu"]) == ("0a:58:00:00:00:01", 1300)
    assert ip("switchd-test", "link", "show", "dev", LINK.peer)[0]["mtu"] == 1300
    assert len(ip("pod-9", "route", "show", "default")) == 1


def test_both_families_at_once(namespaces: LinuxNamespaces) -> None:
    dual = replace(LINK, addresses=("10.244.1.9/24", "fd00::9/64"), gateways=("10.244.1.1", "fd00::1"))
    namespaces.connect([dual])
    (pod,) = ip("pod-9", "address", "show", "dev", "eth0")
    assert {"10.244.1.9", "fd00::9"} <= {one["local"] for one in pod["addr_info"]}
    (route,) = ip("pod-9", "-6", "route", "show", "default")
    assert route["gateway"] == "fd00::1"


def test_a_new_namespace_has_loopback_and_no_limit_on_icmp_errors(namespaces: LinuxNamespaces) -> None:
    assert netns.interfaces("pod-9")["lo"]
    with inside("pod-9"):
        assert Path("/proc/sys/net/ipv4/icmp_ratelimit").read_text().strip() == "0"


def test_a_disconnected_link_is_gone(namespaces: LinuxNamespaces) -> None:
    namespaces.connect([LINK])
    namespaces.disconnect([LINK])
    assert LINK.peer not in netns.interfaces("switchd-test")
    assert "eth0" not in netns.interfaces("pod-9")


def test_bare_pairs_are_up_at_both_ends(namespaces: LinuxNamespaces) -> None:
    netns.connect_pairs([BarePair(BareEnd("switchd-test", "one"), BareEnd("other-test", "two"), 1450)])
    for namespace, interface in (("switchd-test", "one"), ("other-test", "two")):
        (end,) = ip(namespace, "address", "show", "dev", interface)
        assert (end["operstate"], end["mtu"], end["addr_info"]) == ("UP", 1450, [])


def test_offloads_are_turned_off_and_on(namespaces: LinuxNamespaces) -> None:
    namespaces.connect([LINK])

    def offloads() -> dict[str, str]:
        argv = ["nsenter", "--net=/run/netns/pod-9", "ethtool", "-k", "eth0"]
        lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
        state = {name.strip(): value.split()[0] for name, value in (line.split(":", 1) for line in lines)}
        return {name: state[name] for name in ("tx-checksum-ip-generic", "tx-tcp-segmentation")}

    netns.set_offloads("pod-9", "eth0", {"tso": False, "gso": False, "tx": False})
    assert set(offloads().values()) == {"off"}
    netns.set_offloads("pod-9", "eth0", {"tx": True, "tso": True})
    assert set(offloads().values()) == {"on"}


def test_the_calling_thread_stays_where_it_is(namespaces: LinuxNamespaces) -> None:
    before = identity()
    namespaces.create(["pod-9"])
    namespaces.connect([LINK])
    with inside("pod-9"):
        assert identity() == identity("/run/netns/pod-9") != before
        kept = socket.socket()
    with kept, pytest.raises(ZeroDivisionError), inside("pod-9"):
        raise ZeroDivisionError
    assert identity() == before


def test_worker_threads_of_an_asyncio_program(namespaces: LinuxNamespaces) -> None:
    links = [replace(LINK, interface=f"eth{n}", peer=f"podwire-9{n}", gateways=()) for n in range(4)]

    async def connect() -> None:
        await asyncio.gather(*(asyncio.to_thread(namespaces.connect, [one]) for one in links))

    asyncio.run(connect())
    assert netns.interfaces("pod-9") == {"lo": True, "eth0": True, "eth1": True, "eth2": True, "eth3": True}
    namespaces.disconnect(links)


def test_a_process_namespace_gets_a_name(namespaces: LinuxNamespaces) -> None:
    netns.attach("attached-test", os.getpid())
    try:
        assert identity("/run/netns/attached-test") == identity("/proc/self/ns/net")
    finally:
        namespaces.delete(["attached-test"])
    with pytest.raises(FileNotFoundError), inside("attached-test"):
        pass


def test_a_link_without_its_namespace_names_itself(namespaces: LinuxNamespaces) -> None:
    with pytest.raises(PartlyDone, match=rf"^links: {LINK.peer}: .*pod-nowhere"):
        namespaces.connect([replace(LINK, namespace="pod-nowhere")])


def test_five_hundred(namespaces: LinuxNamespaces) -> None:
    links = [
        replace(
            LINK,
            namespace=f"many-{n}",
            peer=f"many{n}",
            addresses=(f"10.0.{n // 250}.{n % 250 + 2}/16",),
            gateways=("10.0.0.1",),
        )
        for n in range(500)
    ]
    names = [one.namespace for one in links]
    namespaces.create(names)
    try:
        namespaces.connect(links)
        assert sum(up for name, up in netns.interfaces("switchd-test").items() if name.startswith("many")) == 500
    finally:
        namespaces.disconnect(links)
        namespaces.delete(names)
    assert not set(names) & namespaces.names()
