"""Names as pods ask for them, by their own resolv.conf: cluster DNS and the outside's, in a lab.

Tests named as Kubernetes' conformance tests `[sig-network] DNS` check what those check.
"""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from laboratory import RunningLab

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
ZONE = "default.svc.cluster.local"
SERVER, OUTSIDE = "10.96.0.10", "203.0.113.2"
ASKS = "asks-names"  # the pod that asks


def service(name: str, **spec: object) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    body = {"selector": {"app": "named"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def pod(name: str, **spec: object) -> dict[str, Any]:
    containers = [{"name": "main", "image": "stand-in", "ports": [{"containerPort": 80}]}]
    metadata = {"name": name, "labels": {"app": "named"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


@pytest.fixture(scope="module")
def names(lab: RunningLab) -> RunningLab:
    """A Service, a headless one whose pods have hostnames, and a pod that asks."""
    lab.apply(
        pod(ASKS),
        pod("first", hostname="dns-querier-1", subdomain="dns-headless"),
        pod("second", hostname="dns-querier-2", subdomain="dns-headless"),
        service("dns-service", clusterIP="10.96.3.3"),
        service("dns-headless", clusterIP="None"),
        service("dns-nobody", clusterIP="None", selector={"app": "nobody"}),
    )
    assert wait_until(lambda: bool(dig(lab, f"dns-querier-2.dns-headless.{ZONE}")), 20)
    return lab


def dig(lab: RunningLab, name: str, kind: str = "A", *options: str, place: str = ASKS) -> list[str]:
    """The answer's records' data, sorted."""
    return sorted(lab.exec(place, "dig", "+short", "+time=2", *options, name, kind).stdout.splitlines())


def status(lab: RunningLab, name: str, kind: str = "A") -> str:
    """The answer's code."""
    shown = lab.exec(ASKS, "dig", "+time=2", name, kind).stdout
    return shown.partition("status: ")[2].partition(",")[0]


def resolved(lab: RunningLab, name: str, place: str = ASKS) -> set[str]:
    """What the C library makes of a name, search list and /etc/hosts included."""
    return {line.split()[0] for line in lab.exec(place, "getent", "ahostsv4", name).stdout.splitlines()}


def becomes(lab: RunningLab, name: str, expected: list[str], *, kind: str = "A") -> None:
    assert wait_until(lambda: dig(lab, name, kind) == sorted(expected), 10), dig(lab, name, kind)


def address_of(lab: RunningLab, pod: str) -> str:
    address: str = next(one for one in lab.pods() if one["metadata"]["name"] == pod)["status"]["podIP"]
    return address


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_should_provide_dns_for_the_cluster(names: RunningLab, transport: str) -> None:
    assert dig(names, "kubernetes.default.svc.cluster.local", "A", transport) == ["10.96.0.1"]
    assert dig(names, "kubernetes.default", "A", "+search", transport) == ["10.96.0.1"]
    assert dig(names, "dns-version.cluster.local", "TXT", transport) == ['"1.1.0"']
    assert resolved(names, "kubernetes.default") == {"10.96.0.1"}


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_should_provide_dns_for_services(names: RunningLab, transport: str) -> None:
    endpoints = sorted(address_of(names, one) for one in (ASKS, "first", "second"))
    assert dig(names, f"dns-service.{ZONE}", "A", transport) == ["10.96.3.3"]
    assert dig(names, f"dns-headless.{ZONE}", "A", transport) == endpoints
    assert dig(names, f"_http._tcp.dns-service.{ZONE}", "SRV", transport) == [f"0 100 80 dns-service.{ZONE}."]
    assert len(dig(names, f"_http._tcp.dns-headless.{ZONE}", "SRV", transport)) == len(endpoints)
    assert names.exec(ASKS, "dig", "+short", transport, "-x", "10.96.3.3").stdout == f"dns-service.{ZONE}.\n"


def test_should_provide_dns_for_external_name_services(names: RunningLab) -> None:
    name = f"dns-external.{ZONE}"
    names.apply(service("dns-external", type="ExternalName", externalName="www.example.com", selector=None, ports=None))
    becomes(names, name, [OUTSIDE, "www.example.com."])
    assert resolved(names, "dns-external") == {OUTSIDE}
    change = '{"spec": {"externalName": "host.outside.test"}}'
    names.kubectl("patch", "service", "dns-external", "--type=merge", "-p", change)
    becomes(names, name, ["host.outside.test."], kind="CNAME")
    change = '{"spec": {"type": "ClusterIP", "externalName": null, "clusterIP": "10.96.3.4", "ports": [{"port": 80}]}}'
    names.kubectl("patch", "service", "dns-external", "--type=merge", "-p", change)
    becomes(names, name, ["10.96.3.4"])


def test_should_provide_dns_for_pods_for_hostname(names: RunningLab) -> None:
    assert dig(names, f"dns-querier-2.dns-headless.{ZONE}") == [address_of(names, "second")]
    reverse = names.exec(ASKS, "dig", "+short", "-x", address_of(names, "second")).stdout
    assert reverse == f"dns-querier-2.dns-headless.{ZONE}.\n"


def test_should_provide_dns_for_pods_for_subdomain(names: RunningLab) -> None:
    own = names.exec("first", "hostname", "-f").stdout.strip()
    assert own == f"dns-querier-1.dns-headless.{ZONE}"
    assert dig(names, own) == [address_of(names, "first")]


@pytest.mark.parametrize(
    "name", ["dns-service", "dns-service.default", "dns-service.default.svc", f"dns-service.{ZONE}."]
)
def test_should_resolve_dns_of_partial_qualified_names_for_services(names: RunningLab, name: str) -> None:
    assert resolved(names, name) == {"10.96.3.3"}
    assert dig(names, name, "A", "+search") == ["10.96.3.3"]


def test_should_support_configurable_pod_dns_nameservers(names: RunningLab) -> None:
    config = {"nameservers": [OUTSIDE], "searches": ["example.com"], "options": [{"name": "ndots", "value": "2"}]}
    names.apply(pod("dns-chosen", dnsPolicy="None", dnsConfig=config))
    written = names.exec("dns-chosen", "cat", "/etc/resolv.conf").stdout
    assert written.splitlines() == ["search example.com", f"nameserver {OUTSIDE}", "options ndots:2"]
    assert resolved(names, "www", "dns-chosen") == {OUTSIDE}
    assert resolved(names, "kubernetes.default", "dns-chosen") == set()


def test_should_provide_etc_hosts_entries_for_the_cluster(names: RunningLab) -> None:
    own = address_of(names, "first")
    hosts = names.exec("first", "cat", "/etc/hosts").stdout
    assert [own, f"dns-querier-1.dns-headless.{ZONE}", "dns-querier-1"] in [line.split() for line in hosts.splitlines()]
    assert resolved(names, "dns-querier-1", "first") == {own}


def test_case_does_not_matter(names: RunningLab) -> None:
    assert dig(names, "DNS-Service.Default.SVC.Cluster.Local") == ["10.96.3.3"]


def test_what_is_not_there_and_what_has_no_such_record(names: RunningLab) -> None:
    assert status(names, f"dns-nobody.{ZONE}") == "NXDOMAIN"
    assert status(names, f"dns-service.{ZONE}", "AAAA") == "NOERROR"
    assert status(names, "svc.cluster.local") == "NOERROR"
    assert status(names, "no.such.name.test") == "NXDOMAIN"


def test_a_pods_address_is_a_name(names: RunningLab) -> None:
    own = address_of(names, "first")
    assert dig(names, f"{own.replace('.', '-')}.default.pod.cluster.local") == [own]


@pytest.mark.parametrize("place", [ASKS, "node1", "HOST"])
def test_names_of_the_outside(names: RunningLab, place: str) -> None:
    assert resolved(names, "www.example.com", place) == {OUTSIDE}


def test_a_new_service_is_answered_although_its_absence_was_heard_of_before(names: RunningLab) -> None:
    assert status(names, f"dns-new.{ZONE}") == "NXDOMAIN"
    names.apply(service("dns-new", clusterIP="10.96.4.1"))
    becomes(names, f"dns-new.{ZONE}", ["10.96.4.1"])
    names.kubectl("delete", "service", "dns-new")
    becomes(names, f"dns-new.{ZONE}", [])


def dns_processes(lab: RunningLab, name: str) -> list[psutil.Process]:
    """The lab's processes called so, or with this word in their command line."""
    found = []
    for one in psutil.Process(lab.pid).children(recursive=True):
        try:
            if name in (one.name(), *one.cmdline()) and "bwrap" not in one.name():
                found.append(one)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("what", ["named", "k8sshim.dns", "dnsmasq"])
def test_a_killed_process_of_dns_comes_back(names: RunningLab, what: str) -> None:
    for process in dns_processes(names, what):
        process.kill()

    def answering() -> bool:
        return dig(names, f"dns-service.{ZONE}") == ["10.96.3.3"] and dig(names, "www.example.com") == [OUTSIDE]

    assert wait_until(answering, 30)


def test_two_of_them_answer_and_one_is_enough(names: RunningLab) -> None:
    kubectl = lambda *words: names.kubectl("-n", "kube-system", *words)  # noqa: E731
    kubectl("scale", "deployment", "kube-dns", "--replicas=2")
    kubectl("rollout", "status", "deployment", "kube-dns", "--timeout=30s")
    servers = kubectl("get", "pods", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[*].status.podIP}").split()
    assert len(servers) == 2
    for server in servers:
        assert dig(names, f"dns-service.{ZONE}", "A", f"@{server}") == ["10.96.3.3"]
    kubectl("scale", "deployment", "kube-dns", "--replicas=1")
    assert wait_until(lambda: dig(names, f"dns-service.{ZONE}") == ["10.96.3.3"], 10)
    assert wait_until(lambda: len(kubectl("get", "pods", "-l", "k8s-app=kube-dns", "-o", "name").split()) == 1, 30)


def test_podwires_own_pods_are_not_counted(names: RunningLab) -> None:
    (row,) = [one for one in names.podwire.json("ls") if one["name"] == names.name]
    assert row["pods"] == len([one for one in names.pods() if one["metadata"]["namespace"] == "default"])
    own = {cell["to"].split("/")[0] for cell in names.matrix("--namespace", "kube-system")}
    assert own <= {"kube-system"}
