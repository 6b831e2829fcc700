"""Links that carry less, and pods that cross the fabric inside packets of their nodes, with real packets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from laboratory import Laboratory, RunningLab

from lab import sandbox
from lab.doctor import try_out
from lab.features import FEATURES
from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
FLAT_MTU, VXLAN_MTU, THIN_MTU = 1500, 1450, 1300
HEADERS = 28  # bytes of IPv4's and of an echo's
KERNEL = {feature.name: feature for feature in FEATURES}


def described(folder: Path, name: str, **fields: Any) -> str:
    """A file that describes a cluster of two nodes."""
    body = {"nodes": 2, "dns": {"replicas": 0}, **fields}
    cluster = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": body}
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(cluster))
    return str(file)


def pod(name: str, node: str) -> dict[str, Any]:
    container = {"name": "main", "image": "stand-in", "ports": [{"containerPort": 80}]}
    metadata = {"name": name, "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [container]},
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "b"},
    "spec": {"selector": {"app": "b"}, "type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
}
DENIAL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "nobody"},
    "spec": {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress"]},
}


def two_pods(laboratory: Laboratory, file: str, name: str) -> RunningLab:
    lab = laboratory.up(name, file)
    lab.apply(pod("a", "node1"), pod("b", "node2"), SERVICE)
    return lab


def address_of(lab: RunningLab, name: str) -> str:
    return lab.exec(name, "hostname", "-I").stdout.strip()


def ping(lab: RunningLab, place: str, to: str, size: int) -> str:
    """What pinging with a packet of `size` bytes that nobody may fragment prints."""
    done = lab.exec(place, "ping", "-c", "3", "-W", "2", "-M", "do", "-s", str(size - HEADERS), to)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def vxlan(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> RunningLab:
    """Pods of an overlay whose MTU is too large on purpose."""
    network = {"mode": "vxlan", "podMtu": FLAT_MTU}
    file = described(tmp_path_factory.mktemp("vxlan"), "vxlan", network=network, offload="off")
    return two_pods(laboratory, file, "vxlan")


@pytest.fixture(scope="module")
def hole(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> RunningLab:
    """The second node is behind a thin and slow link, and nobody is told of what does not fit."""
    nodes = [{"name": "node1"}, {"name": "node2", "uplinks": [{"switch": "s1", "mtu": THIN_MTU, "bandwidthMbit": 20}]}]
    network = {"pathMtuDiscovery": "swallow"}
    file = described(tmp_path_factory.mktemp("hole"), "hole", nodes=nodes, network=network)
    return two_pods(laboratory, file, "hole")


def test_senders_in_an_overlay_learn_what_it_carries(vxlan: RunningLab) -> None:
    b = address_of(vxlan, "b")
    assert "3 received" in ping(vxlan, "a", b, VXLAN_MTU)
    assert f"Frag needed and DF set (mtu = {VXLAN_MTU})" in ping(vxlan, "a", b, VXLAN_MTU + 1)
    assert f"mtu {VXLAN_MTU}" in vxlan.exec("a", "ip", "route", "get", b).stdout


def test_a_large_answer_of_a_service_arrives_though_its_packets_are_too_large(vxlan: RunningLab) -> None:
    long = "x" * 20_000
    ask = f"import urllib.request; print(len(urllib.request.urlopen('http://b/{long}', timeout=30).read()))"
    address = vxlan.kubectl("get", "service", "b", "-o", "jsonpath={.spec.clusterIP}")
    done = vxlan.exec("a", "python3", "-c", ask.replace("http://b", f"http://{address}"))
    assert int(done.stdout or 0) > len(long), done.stderr


def test_services_and_nodes_are_reached_across_an_overlay(vxlan: RunningLab) -> None:
    b = address_of(vxlan, "b")
    ways = [
        ("a", f"{b}:80"),
        ("node1", f"{b}:80"),
        *((one, f"172.30.0.{last}:30080") for one in ("a", "HOST") for last in (2, 3)),
    ]
    for place, url in ways:
        done = vxlan.exec(place, "curl", "-s", "--max-time", "10", f"http://{url}")
        assert '"pod": "b"' in done.stdout, (place, url, done.stdout)
    done = vxlan.exec("a", "curl", "-sk", "--max-time", "10", "https://10.96.0.1/version")
    assert done.returncode == 0, "the API, as the pod's node"


def test_a_policy_denies_across_an_overlay(vxlan: RunningLab) -> None:
    vxlan.kubectl("apply", "-f", _written(vxlan.folder.parent / "denial.json", DENIAL))
    try:
        assert wait_until(lambda: vxlan.podwire.json("trace", vxlan.name, "b", "a:80")["outcome"] == "denied", 20)
        story = vxlan.podwire.json("trace", vxlan.name, "b", "a:80")
        assert (story["outcome"], story["switches"]) == ("denied", ["b2", "b1"])
        allowed = {(cell["from"], cell["to"]): cell["allowed"] for cell in vxlan.matrix()}
        assert allowed == {("default/a", "default/b"): True, ("default/b", "default/a"): False}
    finally:
        vxlan.kubectl("delete", "networkpolicy", "nobody")


def _written(file: Path, content: dict[str, Any]) -> str:
    file.write_text(json.dumps(content))
    return str(file)


def test_what_is_swallowed_is_a_black_hole(hole: RunningLab) -> None:
    b = address_of(hole, "b")
    assert "3 received" in ping(hole, "a", b, THIN_MTU)
    told = ping(hole, "a", b, THIN_MTU + 1)
    assert " 0 received" in told
    assert "Frag needed" not in told
    assert "too long" not in told


def test_a_link_is_held_to_its_bandwidth_at_both_ends_and_offload_is_off_for_it(hole: RunningLab) -> None:
    for end in ("b2-s1", "s1-b2"):
        said = subprocess.run(
            sandbox.enter_argv(hole.pid, ["tc", "class", "show", "dev", end]),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "rate 20Mbit" in said, (end, said)
    listed = hole.exec("a", "ethtool", "-k", "eth0").stdout
    assert "tcp-segmentation-offload: off" in listed


@pytest.mark.parametrize(
    ("field", "given", "feature"),
    [
        ("links.delayMs", {"links": {"delayMs": 5}}, "netem"),
        ("network.mode", {"network": {"mode": "wireguard"}}, "WireGuard"),
    ],
)
def test_what_the_kernel_lacks_is_said_before_anything_is_built(
    laboratory: Laboratory, tmp_path: Path, field: str, given: dict[str, Any], feature: str
) -> None:
    if try_out(KERNEL[feature]).found:
        pytest.skip(f"this kernel has {feature}")
    file = described(tmp_path, "lacking", **given)
    done = laboratory.podwire("up", file)
    assert done.returncode == 2
    expected = f"{file}: Cluster lacking: spec.{field}: needs {feature}, which this kernel does not have"
    assert expected in done.stderr
    assert "podwire vm" in done.stderr
