"""What pods and nodes resolve names by: in their containers, and in commands that are run beside them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_lab import RUN, AgentLab, wait_until

from lab.sandbox import DRESSED

pytestmark = pytest.mark.netns

CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)
OWN_ETC = "cp -r /etc /run/machine; mount --bind /run/machine /etc"
SHOW = ("sh", "-c", "hostname; cat /etc/hostname /etc/resolv.conf /etc/hosts")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentLab]:
    one = AgentLab(tmp_path_factory.mktemp("lab"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


def beside(place: str, *argv: str, before: str = "") -> str:
    """What a command says that sees the /etc of a place, as `podwire exec` runs it."""
    dressed = [sys.executable, "-I", "-S", str(DRESSED), str(RUN / "etc" / place), "--", *argv]
    private = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", f'{before}\nexec "$@"', "sh"]
    done = subprocess.run([*private, *dressed], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_container_and_a_command_beside_it_see_the_same(lab: AgentLab) -> None:
    main = {"name": "main", "image": "x", "command": [*SHOW[:2], SHOW[2] + "; exec sleep 1000"]}
    spec = {"containers": [main], "hostname": "front", "subdomain": "sub"}
    pod = lab.run_pod("seen", {**spec, "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["far", "away"]}]})
    address = lab.ready("seen")["status"]["podIP"]
    wait_until(lambda: "away" in lab.output(pod, "main"))
    said = beside(f"pod-{pod['metadata']['uid']}", *SHOW)
    assert said.strip() == lab.output(pod, "main").strip()
    assert said.startswith(f"front\nfront\n{CLUSTER_FIRST}# Kubernetes-managed hosts file.\n")
    assert f"{address}\tfront.sub.default.svc.cluster.local\tfront\n" in said
    assert "192.0.2.7\tfar\taway\n" in said


def test_programs_resolve_by_them(lab: AgentLab) -> None:
    pod = lab.run_pod("stands-in", {"containers": [{"name": "web", "image": "nginx"}]})
    address = lab.ready("stands-in")["status"]["podIP"]
    place = f"pod-{pod['metadata']['uid']}"
    assert beside(place, "getent", "hosts", "stands-in").split() == [address, "stands-in"]
    assert beside("node-node1", "getent", "hosts", "node2").split() == [
        str(lab.plan.node("node2").addresses[0]),
        "node2",
    ]


def test_a_host_network_pod_has_its_nodes_hostname_and_its_own_resolver(lab: AgentLab) -> None:
    spec = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet", "containers": [{"name": "web", "image": "x"}]}
    pod = lab.run_pod("on-host", spec)
    lab.ready("on-host")
    assert beside(f"pod-{pod['metadata']['uid']}", *SHOW).startswith(f"node1\nnode1\n{CLUSTER_FIRST}")
    assert "10.96.0.10" not in beside("node-node1", *SHOW)


@pytest.mark.parametrize(
    "machine",
    [
        "mount -t tmpfs none /etc",  # neither file is there
        f"{OWN_ETC}; rm /etc/resolv.conf; ln -s /absent/conf /etc/resolv.conf",
        f"{OWN_ETC}; mv /etc/hosts /run/h; ln -s /run/h /etc/hosts",
    ],
)
def test_a_machine_whose_files_are_links_or_absent(lab: AgentLab, machine: str) -> None:
    said = beside("node-node1", *SHOW, before=machine)
    subprocess.run(["rm", "-rf", "/run/machine", "/run/h"], check=True)
    assert said.startswith("node1\nnode1\n")
    assert "node2" in said
    assert beside("outside", "hostname") == "outside\n"


def test_nothing_changes_for_the_machine(lab: AgentLab) -> None:
    before = {name: Path("/etc", name).read_bytes() for name in ("hosts", "hostname")}
    beside("node-node1", "sh", "-c", "hostname other")
    assert {name: Path("/etc", name).read_bytes() for name in before} == before


def test_what_a_pod_resolved_by_goes_with_it(lab: AgentLab) -> None:
    pod = lab.run_pod("brief", {"containers": [{"name": "web", "image": "x"}]})
    lab.ready("brief")
    folder = RUN / "etc" / f"pod-{pod['metadata']['uid']}"
    assert folder.is_dir()
    lab.delete("brief")
    lab.gone("brief")
    assert not folder.exists()
