"""The pods that podwire itself brings into a lab, as objects for its API."""

from __future__ import annotations

import sys
from ipaddress import ip_network
from pathlib import Path

import yaml

from k8sshim.cluster import DNS_NUMBER, Cluster
from k8sshim.manifests import Document
from k8sshim.objects import Raw
from lab import interpreter

_DNS = Path(__file__).parent / "manifests" / "kube-dns.yaml"


def objects(cluster: Cluster, *, dns_replicas: int) -> list[Raw]:
    """What is created where it is absent."""
    account, role, binding, service, deployment = yaml.safe_load_all(_DNS.read_text())
    address = dns_address(cluster)
    service["spec"]["clusterIP"] = address
    deployment["spec"]["replicas"] = dns_replicas
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ranges = (*cluster.service_cidrs, *cluster.pod_cidrs, *cluster.node_cidrs)
    container["command"] = [
        *(sys.executable, "-m", "k8sshim.dns", "--address", address, "--domain", cluster.domain),
        *(word for one in ranges for word in ("--reverse", one)),
    ]
    container["env"] += [{"name": name, "value": value} for name, value in interpreter.environment().items()]
    return [account, role, binding, service, deployment]


def workloads() -> list[Document]:
    """Those of them that are waited for."""
    found = [raw for raw in yaml.safe_load_all(_DNS.read_text()) if raw["kind"] == "Deployment"]
    return [Document(raw, str(_DNS), 0) for raw in found]


def dns_address(cluster: Cluster) -> str:
    """The cluster address of the Service kube-dns."""
    return str(ip_network(cluster.service_cidrs[0])[DNS_NUMBER])
