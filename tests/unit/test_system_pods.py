"""The pods that podwire brings along, and the outside host's names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import k8sshim
from k8sshim import validation
from k8sshim.cluster import OUTSIDE, Cluster, Host
from k8sshim.dns import feeder
from k8sshim.server.rbac import Asked, allows
from lab import interpreter, outside_dns, system_pods

pytestmark = pytest.mark.unit
HOST = Host(OUTSIDE, "border", 1, "0a:58:cb:00:71:02", ("203.0.113.2",), "203.0.113.0/24", "203.0.113.1")
CLUSTER = Cluster(
    name="c",
    pod_cidrs=("10.244.0.0/16",),
    service_cidrs=("10.96.0.0/12",),
    node_cidrs=("172.30.0.0/24",),
    pod_mtu=1500,
    switches=(),
    links=(),
    hosts=(HOST,),
    domain="lab.test",
)


def test_cluster_dns_is_at_the_tenth_address_for_the_clusters_domain_and_ranges() -> None:
    account, _, _, service, deployment = system_pods.objects(CLUSTER, dns_replicas=2)
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert {(port["name"], port["port"], port["protocol"]) for port in service["spec"]["ports"]} == {
        ("dns", 53, "UDP"),
        ("dns-tcp", 53, "TCP"),
    }
    pod = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 2 and pod["serviceAccountName"] == account["metadata"]["name"]
    command = " ".join(pod["containers"][0]["command"])
    assert command.startswith(f"{sys.executable} -m k8sshim.dns --address 10.96.0.10 --domain lab.test ")
    assert all(f"--reverse {cidr}" in command for cidr in ("10.96.0.0/12", "10.244.0.0/16", "172.30.0.0/24"))


def test_its_objects_are_what_the_api_takes() -> None:
    for raw in system_pods.objects(CLUSTER, dns_replicas=1):
        in_the_cluster = raw["kind"] in ("ClusterRole", "ClusterRoleBinding")
        assert raw["metadata"].get("namespace") == (None if in_the_cluster else "kube-system")
        assert validation.problems(raw) == []


def test_libraries_beside_the_interpreter_are_found_in_containers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = Path(k8sshim.__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{tmp_path}:/no/such/folder")
    *_, deployment = system_pods.objects(CLUSTER, dns_replicas=1)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "PYTHONPATH", "value": f"{package.parent}:{tmp_path}:/no/such/folder"} in container["env"]
    shown = interpreter.folders()
    assert str(tmp_path) in shown and str(package) in shown and sys.prefix in shown
    assert str(package.parent) not in shown and "/no/such/folder" not in shown


def test_cluster_dns_may_follow_what_it_feeds_from() -> None:
    account, role, binding, *_ = system_pods.objects(CLUSTER, dns_replicas=1)
    assert binding["subjects"] == [{"kind": "ServiceAccount", **account["metadata"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    for kind, resource, _ in feeder.FOLLOWED:
        group = resource.api_version.rpartition("/")[0]
        for verb in ("list", "watch"):
            assert any(allows(rule, Asked(verb, group, resource.plural)) for rule in role["rules"]), kind


def test_what_is_waited_for_is_the_deployment() -> None:
    assert [(one.raw["kind"], str(one.key)) for one in system_pods.workloads()] == [
        ("Deployment", "kube-system/kube-dns")
    ]


def test_the_outside_host_knows_itself_what_it_is_told_and_nothing_else() -> None:
    argv = outside_dns.dnsmasq_argv(outside_dns.names(CLUSTER) | {"db.example.org": "203.0.113.9"})
    records = [word.removeprefix("--host-record=") for word in argv if word.startswith("--host-record=")]
    assert "www.example.com,203.0.113.2" in records and "db.example.org,203.0.113.9" in records
    assert "--no-resolv" in argv and "--local=/#/" in argv
