"""Cluster DNS as it is asked: BIND, fed from a real API server, and forwarding to a DNS server of the outside."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import dns.flags
import dns.rcode
import psutil
import pytest
from dns_world import DnsWorld, answers, ask, wait_until
from processes import gone

from k8sshim.objects import Raw
from lab import sandbox

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not sandbox.inside(), reason="listens on port 53: run in python -m lab.sandbox -- pytest"),
]
DISCOVERY = "apis/discovery.k8s.io/v1"
ZONE = "default.svc.cluster.local"


def service(name: str, **spec: object) -> Raw:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    body = {"ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def endpoint_slice(name: str, service: str, *endpoints: Raw, family: str = "IPv4") -> Raw:
    labels = {"kubernetes.io/service-name": service}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": family,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def endpoint(*addresses: str, ready: bool = True, hostname: str = "") -> Raw:
    named = {"hostname": hostname} if hostname else {}
    return {"addresses": list(addresses), "conditions": {"ready": ready}, **named}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsWorld]:
    one = DnsWorld(tmp_path_factory.mktemp("dns"))
    try:
        one.start()
        fill(one)
        yield one
    finally:
        one.stop()


def fill(world: DnsWorld) -> None:
    world.put("services", service("web", clusterIP="10.96.1.1"))
    world.put("services", service("headless", clusterIP="None"))
    ready, late = endpoint("10.244.1.2", hostname="my-pet"), endpoint("10.244.1.4", ready=False)
    slices = [
        endpoint_slice("headless-1", "headless", ready, endpoint("10.244.1.3"), late),
        endpoint_slice("headless-2", "headless", endpoint("fd00:10::5", hostname="my-pet"), family="IPv6"),
        endpoint_slice("nobody-1", "nobody", late),
        endpoint_slice("early-1", "early", late),
    ]
    for one in slices:
        world.put("endpointslices", one, group=DISCOVERY)
    world.put("services", service("nobody", clusterIP="None"))
    world.put("services", service("early", clusterIP="None", publishNotReadyAddresses=True))
    for name, target in [("away", "www.example.com"), ("lost", "no.example.com"), ("near", f"web.{ZONE}")]:
        spec = {"type": "ExternalName", "externalName": target}
        world.put("services", {**service(name), "spec": spec})
    wait_until(lambda: answers(f"near.{ZONE}") != ["NXDOMAIN"])  # the last that was made


ANSWERS = [
    ("dns-version.cluster.local", "TXT", ['TXT "1.1.0"']),
    (f"web.{ZONE}", "A", ["A 10.96.1.1"]),
    ("WeB.Default.SVC.Cluster.LOCAL", "A", ["A 10.96.1.1"]),
    (f"web.{ZONE}", "AAAA", []),
    (f"_http._tcp.web.{ZONE}", "SRV", [f"SRV 0 100 80 web.{ZONE}."]),
    (f"_dns._udp.web.{ZONE}", "SRV", [f"SRV 0 100 53 web.{ZONE}."]),
    (f"_dns._tcp.web.{ZONE}", "SRV", ["NXDOMAIN"]),
    ("1.1.96.10.in-addr.arpa", "PTR", [f"PTR web.{ZONE}."]),
    ("2.1.96.10.in-addr.arpa", "PTR", ["NXDOMAIN"]),
    (f"headless.{ZONE}", "A", ["A 10.244.1.2", "A 10.244.1.3"]),
    (f"headless.{ZONE}", "AAAA", ["AAAA fd00:10::5"]),
    (f"my-pet.headless.{ZONE}", "A", ["A 10.244.1.2"]),
    (f"my-pet.headless.{ZONE}", "AAAA", ["AAAA fd00:10::5"]),
    (f"10-244-1-3.headless.{ZONE}", "A", ["A 10.244.1.3"]),
    (f"10-244-1-4.headless.{ZONE}", "A", ["NXDOMAIN"]),
    (
        f"_http._tcp.headless.{ZONE}",
        "SRV",
        [f"SRV 0 100 8080 10-244-1-3.headless.{ZONE}.", f"SRV 0 100 8080 my-pet.headless.{ZONE}."],
    ),
    ("2.1.244.10.in-addr.arpa", "PTR", [f"PTR my-pet.headless.{ZONE}."]),
    (f"nobody.{ZONE}", "A", ["NXDOMAIN"]),
    (f"early.{ZONE}", "A", ["A 10.244.1.4"]),
    (f"away.{ZONE}", "A", ["A 203.0.113.80", "CNAME www.example.com."]),
    (f"away.{ZONE}", "CNAME", ["CNAME www.example.com."]),
    (f"near.{ZONE}", "A", ["A 10.96.1.1", f"CNAME web.{ZONE}."]),
    (f"lost.{ZONE}", "A", ["NXDOMAIN"]),
    ("svc.cluster.local", "A", []),
    (ZONE, "A", []),
    (f"_tcp.web.{ZONE}", "SRV", []),
    ("www.example.com", "A", ["A 203.0.113.80"]),
    ("no.example.com", "A", ["NXDOMAIN"]),
    ("cluster.local", "NS", ["NS ns.dns.cluster.local."]),
    ("ns.dns.cluster.local", "A", ["A 10.96.0.10"]),
]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(("name", "kind", "expected"), ANSWERS, ids=[f"{name}-{kind}" for name, kind, _ in ANSWERS])
def test_each_kind_of_record(world: DnsWorld, name: str, kind: str, expected: list[str], tcp: bool) -> None:
    assert answers(name, kind, tcp=tcp) == sorted(expected)


def test_cluster_names_are_answered_with_authority_and_others_without(world: DnsWorld) -> None:
    assert ask(f"web.{ZONE}").flags & dns.flags.AA
    assert not ask("www.example.com").flags & dns.flags.AA


@pytest.mark.parametrize("name", [f"nothing.{ZONE}", "9.9.96.10.in-addr.arpa"])
def test_what_is_not_there_comes_with_the_zones_soa_for_negative_caching(world: DnsWorld, name: str) -> None:
    answer = ask(name)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    (soa,) = answer.authority
    assert soa.rdtype == dns.rdatatype.SOA and soa.ttl == 5


def test_a_pods_name_by_its_address_comes_and_goes_with_it(world: DnsWorld) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    world.put("pods", {"apiVersion": "v1", "kind": "Pod", **pod})
    assert answers("10-244-3-9.default.pod.cluster.local") == ["NXDOMAIN"]
    status = {"status": {"phase": "Running", "podIP": "10.244.3.9", "podIPs": [{"ip": "10.244.3.9"}]}}
    kind = {"Content-Type": "application/merge-patch+json"}
    world.api.ok("PATCH", world.path("pods", "p") + "/status", status, kind)
    wait_until(lambda: answers("10-244-3-9.default.pod.cluster.local") == ["A 10.244.3.9"])
    world.api.ok("DELETE", world.path("pods", "p") + "?gracePeriodSeconds=0")
    wait_until(lambda: answers("10-244-3-9.default.pod.cluster.local") == ["NXDOMAIN"])


def test_a_service_that_becomes_an_external_name_and_back(world: DnsWorld) -> None:
    name = f"turning.{ZONE}"
    world.put("services", service("turning", clusterIP="10.96.1.7"))
    wait_until(lambda: answers(name) == ["A 10.96.1.7"])
    turned = {
        "spec": {"type": "ExternalName", "externalName": "www.example.com", "clusterIP": None, "clusterIPs": None}
    }
    kind = {"Content-Type": "application/merge-patch+json"}
    world.api.ok("PATCH", world.path("services", "turning"), turned, kind)
    wait_until(lambda: answers(name) == ["A 203.0.113.80", "CNAME www.example.com."])
    wait_until(lambda: answers("7.1.96.10.in-addr.arpa", "PTR") == ["NXDOMAIN"])
    back = {"spec": {"type": "ClusterIP", "externalName": None, "clusterIP": "10.96.1.8"}}
    world.api.ok("PATCH", world.path("services", "turning"), back, kind)
    wait_until(lambda: answers(name) == ["A 10.96.1.8"])


def test_a_killed_name_server_comes_back_with_every_record(world: DnsWorld) -> None:
    before = world.named()
    assert before is not None
    world.put("services", service("later", clusterIP="10.96.1.9"))
    wait_until(lambda: answers(f"later.{ZONE}") == ["A 10.96.1.9"])
    before.kill()
    wait_until(lambda: (now := world.named()) and now.pid != before.pid and world.ready())
    assert answers(f"later.{ZONE}") == ["A 10.96.1.9"]


@pytest.mark.parametrize("number", range(5))
def test_a_change_that_the_name_server_dies_on_is_not_lost(world: DnsWorld, number: int) -> None:
    named = world.named()
    assert named is not None
    world.put("services", service(f"amid-{number}", clusterIP=f"10.96.2.{number + 1}"))
    named.kill()
    wait_until(lambda: world.ready() and answers(f"amid-{number}.{ZONE}") == [f"A 10.96.2.{number + 1}"])


def test_a_killed_feeder_takes_its_name_server_along_and_starts_with_what_changed_meanwhile(world: DnsWorld) -> None:
    named = world.named()
    assert named is not None and world.feeder is not None
    os.kill(world.feeder.pid, signal.SIGKILL)
    psutil.wait_procs([named], 5)
    assert gone([named])
    world.put("services", service("meanwhile", clusterIP="10.96.1.10"))
    world.start_feeder()
    assert answers(f"meanwhile.{ZONE}") == ["A 10.96.1.10"]


def test_a_headless_service_may_have_hundreds_of_endpoints(world: DnsWorld) -> None:
    addresses = sorted(f"10.244.{number // 200}.{number % 200 + 1}" for number in range(400))
    every = [f"A {address}" for address in addresses]
    world.put("services", service("crowd", clusterIP="None"))
    for part in (addresses[:200], addresses[200:]):
        one = endpoint_slice(f"crowd-{len(part)}-{part[0]}", "crowd", *map(endpoint, part))
        world.put("endpointslices", one, group=DISCOVERY)
    name = f"crowd.{ZONE}"
    wait_until(lambda: answers(name, tcp=True) == every)
    assert ask(name).flags & dns.flags.TC
    assert len(answers(f"_http._tcp.{name}", "SRV", tcp=True)) == len(every)
    before = world.named()
    assert before is not None
    before.kill()
    wait_until(lambda: world.named() not in (None, before))
    wait_until(world.ready)
    assert answers(name, tcp=True) == every


def test_nobody_changes_records_without_the_feeders_key(world: DnsWorld) -> None:
    lines = f"server 127.0.0.1\nzone cluster.local\nupdate add evil.{ZONE} 5 A 10.96.6.6\nsend\n"
    done = subprocess.run(["nsupdate"], input=lines, capture_output=True, text=True, check=False)
    assert "REFUSED" in done.stderr
    assert answers(f"evil.{ZONE}") == ["NXDOMAIN"]
