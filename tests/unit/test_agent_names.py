"""What pods resolve names by: kubelet's resolv.conf, hosts and hostname, as texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k8sshim.cluster import OUTSIDE, Cluster, Host
from topo.agent import names
from topo.agent.names import MAX_SEARCH_CHARACTERS, Resolver

pytestmark = pytest.mark.unit

CLUSTER = Cluster(
    name="c",
    pod_cidrs=("10.244.0.0/16",),
    service_cidrs=("10.96.0.0/16",),
    node_cidrs=("172.20.0.0/16",),
    pod_mtu=1500,
    switches=(),
    links=(),
    hosts=(Host(OUTSIDE, "border", 1, "", ("203.0.113.2", "192.0.2.1"), "203.0.113.0/24", "203.0.113.1"),),
)
AROUND = names.neighbourhood(CLUSTER, [("172.20.0.2", "node1"), ("172.20.0.3", "node2")])
SEARCH = "search shop.svc.cluster.local svc.cluster.local cluster.local\n"
CLUSTER_FIRST = f"{SEARCH}nameserver 10.96.0.10\noptions ndots:5\n"
NODES = "nameserver 203.0.113.2\n"


def resolv_conf(spec: dict[str, object], *, host_network: bool = False) -> str:
    return names.resolver(names.parse("web", spec), "shop", AROUND, host_network=host_network).text()


@pytest.mark.parametrize(
    ("policy", "host_network", "text"),
    [
        (None, False, CLUSTER_FIRST),
        ("ClusterFirst", False, CLUSTER_FIRST),
        ("ClusterFirst", True, NODES),
        ("ClusterFirstWithHostNet", True, CLUSTER_FIRST),
        ("ClusterFirstWithHostNet", False, CLUSTER_FIRST),
        ("Default", False, NODES),
        ("Default", True, NODES),
        ("None", False, ""),
    ],
)
def test_policies(policy: str | None, host_network: bool, text: str) -> None:
    assert resolv_conf({"dnsPolicy": policy}, host_network=host_network) == text


@pytest.mark.parametrize(
    ("policy", "config", "text"),
    [
        (
            "None",
            {"nameservers": ["1.1.1.1"], "searches": ["a.b", "c"], "options": [{"name": "ndots", "value": "2"}]},
            "search a.b c\nnameserver 1.1.1.1\noptions ndots:2\n",
        ),
        (
            "ClusterFirst",
            {"options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]},
            f"{SEARCH}nameserver 10.96.0.10\noptions ndots:1 edns0\n",
        ),
        (
            "ClusterFirst",
            {"nameservers": ["10.96.0.10", "1.1.1.1"], "searches": ["cluster.local", "corp"]},
            f"{SEARCH[:-1]} corp\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:5\n",
        ),
        ("Default", {"searches": ["corp"]}, "search corp\nnameserver 203.0.113.2\n"),
        ("Default", {"options": [{"name": "rotate", "value": None}]}, "nameserver 203.0.113.2\noptions rotate\n"),
    ],
)
def test_the_pods_own_configuration_comes_on_top(policy: str, config: dict[str, object], text: str) -> None:
    assert resolv_conf({"dnsPolicy": policy, "dnsConfig": config}) == text


def test_limits() -> None:
    config = {"nameservers": [f"1.1.1.{i}" for i in range(5)], "searches": [f"d{i}" for i in range(40)]}
    text = resolv_conf({"dnsPolicy": "None", "dnsConfig": config})
    assert text.count("nameserver") == 3
    assert text.splitlines()[0].split()[1:] == [f"d{i}" for i in range(32)]
    long = {"searches": [f"{i:02}" + "x" * 198 for i in range(32)]}
    line = resolv_conf({"dnsPolicy": "None", "dnsConfig": long}).removeprefix("search ").strip()
    assert len(line.split()) == 10
    assert len(line) <= MAX_SEARCH_CHARACTERS


def test_without_an_outside_host_nodes_know_no_server() -> None:
    alone = names.neighbourhood(replace(CLUSTER, hosts=()), [])
    assert alone.node_resolver == Resolver()
    assert alone.cluster_dns == "10.96.0.10"


LOCAL = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)
MANAGED = f"# Kubernetes-managed hosts file.\n{LOCAL}"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, f"{MANAGED}10.244.0.2\tweb\n"),
        ({"hostname": "front"}, f"{MANAGED}10.244.0.2\tfront\n"),
        (
            {"hostname": "front", "subdomain": "sub"},
            f"{MANAGED}10.244.0.2\tfront.sub.shop.svc.cluster.local\tfront\n",
        ),
        (
            {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["foo", "bar"]}, {"ip": "1.2.3.4", "hostnames": ["x"]}]},
            f"{MANAGED}10.244.0.2\tweb\n\n# Entries added by HostAliases.\n127.0.0.1\tfoo\tbar\n1.2.3.4\tx\n",
        ),
    ],
)
def test_hosts(spec: dict[str, object], text: str) -> None:
    assert names.hosts(names.parse("web", spec), "shop", AROUND, ["10.244.0.2"]) == text


def test_a_host_network_pod_knows_what_its_node_knows() -> None:
    spec = {"hostAliases": [{"ip": "1.2.3.4", "hostnames": ["x"]}]}
    text = names.hosts(names.parse("web", spec), "shop", AROUND, [])
    assert text == (
        f"# Kubernetes-managed hosts file (host network).\n{LOCAL}172.20.0.2\tnode1\n172.20.0.3\tnode2\n"
        "\n# Entries added by HostAliases.\n1.2.3.4\tx\n"
    )


@pytest.mark.parametrize(
    ("name", "spec", "hostname"),
    [
        ("web-0", {}, "web-0"),
        ("web-0", {"hostname": "front"}, "front"),
        ("web-0", {"subdomain": "sub"}, "web-0"),
        ("web-0", {"subdomain": "sub", "setHostnameAsFQDN": True}, "web-0.sub.shop.svc.cluster.local"),
        ("web-0", {"setHostnameAsFQDN": True}, "web-0"),
        ("x" * 62 + "-yz", {}, "x" * 62),
    ],
)
def test_hostnames(name: str, spec: dict[str, object], hostname: str) -> None:
    assert names.hostname(names.parse(name, spec), "shop", AROUND) == hostname
