"""Cluster DNS's names, by the tables of Kubernetes' DNS specification 1.1.0, and what a change of one object costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.dns import lean, zones
from k8sshim.dns.configuration import Settings, named_conf, nameservers
from k8sshim.dns.ledger import POD, SERVICE, SLICE, Ledger
from k8sshim.dns.records import Record
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
ZONE = "default.svc.cluster.local."
SCHEMA = 'dns-version.cluster.local. TXT "1.1.0"'


def service(name: str = "web", namespace: str = "default", **spec: object) -> Raw:
    ports = [{"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP"}]
    body = {"type": "ClusterIP", "clusterIP": "10.3.0.1", "ports": ports, **spec}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": body}


def headless(**spec: object) -> Raw:
    return service("headless", clusterIP="None", clusterIPs=["None"], **spec)


def slice_of(service: str, *endpoints: Raw, name: str = "s", ports: tuple[Raw, ...] | None = None) -> Raw:
    labels = {"kubernetes.io/service-name": service}
    listed = ports if ports is not None else ({"name": "https", "port": 8443, "protocol": "TCP"},)
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"metadata": metadata, "ports": list(listed), "endpoints": list(endpoints)}


def endpoint(*addresses: str, **fields: object) -> Raw:
    return {"addresses": list(addresses), "conditions": {"ready": True}, **fields}


def pod(name: str, *addresses: str, phase: str = "Running") -> Raw:
    status = {"phase": phase, "podIPs": [{"ip": one} for one in addresses]}
    return {"metadata": {"name": name, "namespace": "default"}, "status": status}


def ledger(*objects: tuple[str, Raw]) -> Ledger:
    one = Ledger("cluster.local")
    for kind, raw in objects:
        one.put(kind, raw)
    return one


def texts(records: object) -> list[str]:
    return sorted(" ".join(one) for one in records)  # type: ignore[attr-defined]


CASES = {
    "schema version": ([], []),
    "cluster address": (
        [(SERVICE, service("kubernetes"))],
        [
            f"kubernetes.{ZONE} A 10.3.0.1",
            f"_https._tcp.kubernetes.{ZONE} SRV 0 100 443 kubernetes.{ZONE}",
            f"1.0.3.10.in-addr.arpa. PTR kubernetes.{ZONE}",
        ],
    ),
    "unnamed port has no SRV": (
        [(SERVICE, service(ports=[{"port": 80}]))],
        [f"web.{ZONE} A 10.3.0.1", f"1.0.3.10.in-addr.arpa. PTR web.{ZONE}"],
    ),
    "two families": (
        [(SERVICE, service(clusterIPs=["10.3.0.1", "fd00::1"], ports=[]))],
        [
            f"web.{ZONE} A 10.3.0.1",
            f"web.{ZONE} AAAA fd00::1",
            f"1.0.3.10.in-addr.arpa. PTR web.{ZONE}",
            f"1.{'0.' * 27}0.0.d.f.ip6.arpa. PTR web.{ZONE}",
        ],
    ),
    "cluster address hides its endpoints": (
        [(SERVICE, service(ports=[])), (SLICE, slice_of("web", endpoint("10.3.1.1", hostname="pet")))],
        [f"web.{ZONE} A 10.3.0.1", f"1.0.3.10.in-addr.arpa. PTR web.{ZONE}"],
    ),
    "no address yet": ([(SERVICE, service(clusterIP=""))], []),
    "headless with and without hostname": (
        [
            (SERVICE, headless()),
            (SLICE, slice_of("headless", endpoint("10.3.0.100", hostname="my-pet"), endpoint("10.3.0.7"))),
        ],
        [
            f"headless.{ZONE} A 10.3.0.100",
            f"headless.{ZONE} A 10.3.0.7",
            f"my-pet.headless.{ZONE} A 10.3.0.100",
            f"10-3-0-7.headless.{ZONE} A 10.3.0.7",
            f"_https._tcp.headless.{ZONE} SRV 0 100 8443 my-pet.headless.{ZONE}",
            f"_https._tcp.headless.{ZONE} SRV 0 100 8443 10-3-0-7.headless.{ZONE}",
            f"100.0.3.10.in-addr.arpa. PTR my-pet.headless.{ZONE}",
            f"7.0.3.10.in-addr.arpa. PTR 10-3-0-7.headless.{ZONE}",
        ],
    ),
    "one hostname of several addresses": (
        [
            (SERVICE, headless()),
            (
                SLICE,
                slice_of(
                    "headless", endpoint("10.3.0.4", hostname="pet"), endpoint("10.3.0.5", hostname="pet"), ports=()
                ),
            ),
        ],
        [
            *(f"{name}.{ZONE} A 10.3.0.{n}" for name in ("headless", "pet.headless") for n in (4, 5)),
            *(f"{n}.0.3.10.in-addr.arpa. PTR pet.headless.{ZONE}" for n in (4, 5)),
        ],
    ),
    "none ready": (
        [(SERVICE, headless()), (SLICE, slice_of("headless", endpoint("10.3.0.4", conditions={"ready": False})))],
        [],
    ),
    "not ready but published": (
        [
            (SERVICE, headless(publishNotReadyAddresses=True)),
            (SLICE, slice_of("headless", endpoint("10.3.0.4", conditions={"ready": False}), ports=())),
        ],
        [
            f"headless.{ZONE} A 10.3.0.4",
            f"10-3-0-4.headless.{ZONE} A 10.3.0.4",
            f"4.0.3.10.in-addr.arpa. PTR 10-3-0-4.headless.{ZONE}",
        ],
    ),
    "readiness that nobody states": (
        [(SERVICE, headless()), (SLICE, slice_of("headless", {"addresses": ["10.3.0.4"], "hostname": "a"}, ports=()))],
        [
            f"headless.{ZONE} A 10.3.0.4",
            f"a.headless.{ZONE} A 10.3.0.4",
            f"4.0.3.10.in-addr.arpa. PTR a.headless.{ZONE}",
        ],
    ),
    "IPv6 endpoint": (
        [(SERVICE, headless()), (SLICE, slice_of("headless", endpoint("::5"), ports=()))],
        [
            f"headless.{ZONE} AAAA ::5",
            f"0--5.headless.{ZONE} AAAA ::5",
            f"5.{'0.' * 31}ip6.arpa. PTR 0--5.headless.{ZONE}",
        ],
    ),
    "slice of no Service": ([(SLICE, slice_of("nobody", endpoint("10.3.0.4")))], []),
    "slice before its Service": (
        [(SLICE, slice_of("headless", endpoint("10.3.0.4", hostname="a"), ports=())), (SERVICE, headless())],
        [
            f"headless.{ZONE} A 10.3.0.4",
            f"a.headless.{ZONE} A 10.3.0.4",
            f"4.0.3.10.in-addr.arpa. PTR a.headless.{ZONE}",
        ],
    ),
    "endpoint that is a name": ([(SERVICE, headless()), (SLICE, slice_of("headless", endpoint("db.example.com")))], []),
    "external name": (
        [(SERVICE, service("foo", type="ExternalName", externalName="WWW.Example.com", clusterIP=""))],
        [f"foo.{ZONE} CNAME www.example.com."],
    ),
    "external name of hand-made endpoints": (
        [
            (SERVICE, service("foo", type="ExternalName", externalName="www.example.com.", clusterIP="")),
            (SLICE, slice_of("foo", endpoint("10.3.0.4"))),
        ],
        [f"foo.{ZONE} CNAME www.example.com."],
    ),
    "external name that is none": (
        [(SERVICE, service("foo", type="ExternalName", externalName="a b\n$INCLUDE /etc/passwd", clusterIP=""))],
        [],
    ),
    "pod": (
        [(POD, pod("p", "10.4.0.9", "fd00::9"))],
        ["10-4-0-9.default.pod.cluster.local. A 10.4.0.9", "fd00--9.default.pod.cluster.local. AAAA fd00::9"],
    ),
    "pod that is over": ([(POD, pod("p", "10.4.0.9", phase="Succeeded"))], []),
}


@pytest.mark.parametrize(("objects", "expected"), CASES.values(), ids=CASES)
def test_what_is_answered(objects: list[tuple[str, Raw]], expected: list[str]) -> None:
    assert texts(ledger(*objects)) == sorted([SCHEMA, *expected])


@pytest.mark.parametrize(("objects", "expected"), CASES.values(), ids=CASES)
def test_what_is_kept_of_objects_is_all_that_names_need(objects: list[tuple[str, Raw]], expected: list[str]) -> None:
    keep = {SERVICE: lean.service, SLICE: lean.endpoint_slice, POD: lean.pod}
    assert texts(ledger(*((kind, keep[kind](raw)) for kind, raw in objects))) == sorted([SCHEMA, *expected])


def test_a_change_of_one_endpoint_is_its_records_and_nothing_else() -> None:
    one = ledger((SERVICE, headless()), (SLICE, slice_of("headless", endpoint("10.3.0.4"), endpoint("10.3.0.5"))))
    one.take()
    one.put(SLICE, slice_of("headless", endpoint("10.3.0.4"), endpoint("10.3.0.6")))
    changes = one.take()
    assert len(changes.removed) == len(changes.added) == 4
    assert all("10.3.0.5" in " ".join(r) or "10-3-0-5" in " ".join(r) for r in changes.removed)
    assert not one.take()


def test_what_comes_and_goes_between_two_looks_is_no_change() -> None:
    one = ledger((SERVICE, service()))
    one.take()
    one.drop(SERVICE, Key("default", "web"))
    one.put(SERVICE, service())
    assert not one.take()


def test_pods_of_one_address_share_a_name_until_the_last_is_gone() -> None:
    one = ledger((POD, pod("a", "172.30.0.2")), (POD, pod("b", "172.30.0.2")))
    one.take()
    one.drop(POD, Key("default", "a"))
    assert not one.take()
    one.drop(POD, Key("default", "b"))
    assert texts(one.take().removed) == ["172-30-0-2.default.pod.cluster.local. A 172.30.0.2"]


def test_a_name_that_becomes_a_cname_loses_its_address_in_the_same_step() -> None:
    one = ledger((SERVICE, service(ports=[])))
    one.take()
    one.put(SERVICE, service(type="ExternalName", externalName="www.example.com", clusterIP=""))
    changes = one.take()
    assert Record(f"web.{ZONE}", "A", "10.3.0.1") in changes.removed
    assert texts(changes.added) == [f"web.{ZONE} CNAME www.example.com."]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop"]),
        st.sampled_from([SERVICE, SLICE, POD]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 3),
    ),
    max_size=30,
)


@given(STEPS, st.integers(1, 5))
def test_differences_add_up_to_what_a_fresh_start_would_know(
    steps: list[tuple[str, str, str, int]], every: int
) -> None:
    one, known, alive = Ledger("cluster.local"), set(), {}
    known.update(one.take().added)
    for index, (action, kind, name, number) in enumerate(steps):
        raw = _some_object(kind, name, number)
        if action == "put":
            one.put(kind, raw)
            alive[kind, name] = raw
        else:
            one.drop(kind, Key("default", name))
            alive.pop((kind, name), None)
        if index % every == 0:
            changes = one.take()
            assert known.issuperset(changes.removed) and known.isdisjoint(changes.added)
            known = known.difference(changes.removed).union(changes.added)
    changes = one.take()
    known = known.difference(changes.removed).union(changes.added)
    fresh = ledger(*((kind, raw) for (kind, _), raw in alive.items()))
    assert known == set(fresh) == set(one)


def _some_object(kind: str, name: str, number: int) -> Raw:
    if kind == POD:
        return pod(name, f"10.4.0.{number}")
    if kind == SLICE:
        return slice_of("ab"[number % 2], *(endpoint(f"10.3.0.{n}") for n in range(number)), name=name)
    spec = [{}, {"clusterIP": "None"}, {"type": "ExternalName", "externalName": "x.example"}, {"clusterIP": "10.3.0.2"}]
    return service(name, **spec[number])


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.244.0.0/16", ["244.10.in-addr.arpa."]),
        ("10.96.0.0/14", [f"{n}.10.in-addr.arpa." for n in range(96, 100)]),
        ("172.30.0.0/24", ["0.30.172.in-addr.arpa."]),
        ("172.30.0.128/25", ["0.30.172.in-addr.arpa."]),
        ("10.0.0.0/8", ["10.in-addr.arpa."]),
        ("fd00:10::/32", ["0.1.0.0.0.0.d.f.ip6.arpa."]),
    ],
)
def test_reverse_zones_cover_a_range(cidr: str, expected: list[str]) -> None:
    assert list(zones.reverse_zones([cidr, cidr])) == expected


def test_a_name_belongs_to_the_closest_zone() -> None:
    served = ("cluster.local.", "96.10.in-addr.arpa.", "10.in-addr.arpa.")
    assert zones.zone_of("1.1.96.10.in-addr.arpa.", served) == "96.10.in-addr.arpa."
    assert zones.zone_of("1.1.97.10.in-addr.arpa.", served) == "10.in-addr.arpa."
    assert zones.zone_of("1.1.97.11.in-addr.arpa.", served) is None


def test_name_servers_of_a_resolv_conf_are_those_beyond_this_host() -> None:
    text = "# nameserver 1.1.1.1\nsearch a.b\nnameserver 203.0.113.2\nnameserver 127.0.0.53\nnameserver x\nnameserver\n"
    assert nameservers(text) == ("203.0.113.2",)


def test_without_a_forwarder_nothing_is_asked_for_elsewhere() -> None:
    settings = Settings("cluster.local", "10.96.0.10", ("cluster.local.",), (), "/var/cache/bind", 53, "c2VjcmV0")
    configuration = named_conf(settings, limited=True)
    assert "recursion no;" in configuration and "recursion yes;" not in configuration
