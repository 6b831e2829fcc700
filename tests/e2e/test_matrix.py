"""`podwire matrix`: every pair, with real packets."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from laboratory import MANIFESTS, Laboratory, RunningLab, deployment

from experiments.matrix import kernel_protocols
from lab.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def guestbook(laboratory: Laboratory) -> RunningLab:
    folder = MANIFESTS / "guestbook"
    if not folder.is_dir():
        pytest.skip("the manifests of guestbook are not beside the checkout")
    return laboratory.up("guestbook", manifests=[folder])


def test_every_pod_of_guestbook_reaches_every_other(guestbook: RunningLab) -> None:
    cells = guestbook.matrix()
    pods = [f"default/{pod['metadata']['name']}" for pod in guestbook.pods()]
    assert len(pods) == 6
    assert {(cell["from"], cell["to"]) for cell in cells} == set(permutations(pods, 2))
    assert [cell for cell in cells if not cell["allowed"]] == []


def test_every_pod_of_guestbook_reaches_every_service(guestbook: RunningLab) -> None:
    cells = guestbook.matrix("--to", "service")
    services = {(cell["to"], cell["port"], cell["protocol"]) for cell in cells}
    redis = {("default/redis-master", 6379, "TCP"), ("default/redis-replica", 6379, "TCP")}
    assert services >= {("default/frontend", 80, "TCP"), *redis}
    assert [cell for cell in cells if not cell["allowed"] and cell["to"] != "default/kubernetes"] == []


def test_a_port_that_nobody_listens_on_is_not_allowed_and_no_failure(guestbook: RunningLab) -> None:
    for protocol in ("TCP", "UDP"):
        cells = guestbook.matrix("--port", "9", "--protocol", protocol)
        assert len(cells) == 30
        assert not any(cell["allowed"] for cell in cells)
        assert {(cell["port"], cell["protocol"]) for cell in cells} == {(9, protocol)}


def test_datagrams_are_answered_by_stand_ins(lab: RunningLab) -> None:
    lab.apply(deployment("resolver", 3, (53, "UDP"), (53, "TCP")))
    cells = lab.among("resolver")
    assert len(cells) == 3 * 2 * 2
    assert {(cell["protocol"], cell["allowed"]) for cell in cells} == {("TCP", True), ("UDP", True)}


def test_the_table_tells_closed_ports_from_silence(guestbook: RunningLab) -> None:
    done = guestbook.podwire("matrix", "guestbook", "--port", "9")
    assert done.returncode == 0
    assert done.stderr == "30 of 30 not allowed; 0 differ from what policies expect\n"
    table, _, legend = done.stdout.rpartition("○ packets pass")
    assert table.count("○") == 30
    assert "DIFFERS" not in legend


def test_an_unknown_namespace_is_one_line(guestbook: RunningLab) -> None:
    done = guestbook.podwire("matrix", "guestbook", "--namespace", "nowhere")
    line = 'podwire: no pods in namespace "nowhere" of lab "guestbook"; namespaces with pods: default, kube-system\n'
    assert (done.returncode, done.stderr) == (2, line)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"policyTypes": ["Ingress"], **spec},
    }


@pytest.fixture(scope="module")
def shop(laboratory: Laboratory) -> RunningLab:
    """Two workloads; the second takes TCP at port 80 from the first, and nothing else."""
    lab = laboratory.up("matrix")
    ports = ((80, "TCP"), (81, "TCP"), (80, "UDP"))
    lab.apply(deployment("front", 2, *ports), deployment("back", 2, *ports))
    peer = {"podSelector": {"matchLabels": {"app": "front"}}}
    rule = {"from": [peer], "ports": [{"port": 80, "protocol": "TCP"}]}
    lab.apply(policy("back", podSelector={"matchLabels": {"app": "back"}}, ingress=[rule]))
    assert wait_until(lambda: lab.podwire("matrix", lab.name).returncode == 0, 20), "not in force"
    return lab


def test_what_policies_deny_is_expected_and_observed(shop: RunningLab) -> None:
    cells = shop.matrix()
    assert len(cells) == 4 * 3 * 3
    for cell in cells:
        to_back = "/back-" in cell["to"]
        right = not to_back or ("/front-" in cell["from"] and (cell["port"], cell["protocol"]) == (80, "TCP"))
        assert (cell["expected"], cell["allowed"]) == (right, right), cell
        assert cell["outcome"] == ("answered" if right else "silent")


def test_a_difference_is_marked_named_and_the_exit_code(shop: RunningLab) -> None:
    """A pod whose kernel drops what policies allow: the network cannot be seen to do what is expected."""
    victim = next(pod["metadata"]["name"] for pod in shop.pods("app=front"))
    drop = "type filter hook input priority 0; tcp dport 81 tcp flags syn / syn,ack drop;"
    rules = f"table ip deaf {{\n chain input {{\n {drop}\n }}\n}}\n"
    made = shop.exec(f"default/{victim}", "nft", "-f", "-", text=rules)
    if made.returncode:
        pytest.skip(f"no packets can be dropped in a pod here: {made.stderr.strip()}")
    try:
        done = shop.podwire("matrix", "matrix", "--port", "81")
        cells = json.loads(shop.podwire("matrix", "matrix", "--port", "81", "--json").stdout)
        ignored = shop.podwire("matrix", "matrix", "--port", "81", "--no-expected")
    finally:
        shop.exec(f"default/{victim}", "nft", "delete", "table", "ip", "deaf")
    differing = [cell for cell in cells if cell["expected"] and cell["outcome"] == "silent"]
    assert {cell["to"] for cell in differing} == {f"default/{victim}"}
    assert len(differing) == 3
    assert (done.returncode, ignored.returncode) == (1, 0)
    assert done.stderr.endswith("; 3 differ from what policies expect\n")
    assert "− DIFFERS: expected allowed, but nothing came back" in done.stdout
    for cell in differing:
        assert f"    podwire policy explain matrix {cell['from']} {cell['to']}:81\n" in done.stdout


def test_nodes_reach_their_own_pods_whatever_policies_say(shop: RunningLab) -> None:
    nodes = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in shop.pods("app=back")}
    cells = [cell for cell in shop.matrix("--from", "node", "--port", "80") if "/back-" in cell["to"]]
    assert len(cells) == 3 * 2
    for cell in cells:
        own = nodes[cell["to"].removeprefix("default/")] == cell["from"]
        assert (cell["expected"], cell["allowed"]) == (own, own), cell


def test_a_report_is_written_and_drawn_again_from_its_record(shop: RunningLab, tmp_path: Path) -> None:
    done = shop.podwire("matrix", "matrix", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.parent == tmp_path / "matrix"
    page, picture = folder / "report.html", folder / "matrix.svg"
    before = (page.read_bytes(), picture.read_bytes())
    assert b"All agree with what the lab" in before[0]
    for file in (page, picture, folder / "matrix.png"):
        file.unlink()
    assert shop.podwire("report", str(folder)).returncode == 0
    assert (page.read_bytes(), picture.read_bytes()) == before


def test_sctp_is_tried_where_the_kernel_has_it_and_refused_in_a_line_elsewhere(shop: RunningLab) -> None:
    done = shop.podwire("matrix", "matrix", "--port", "9", "--protocol", "SCTP")
    if "SCTP" in kernel_protocols():
        assert done.returncode == 0, done.stderr
    else:
        line = "podwire: SCTP cannot be tried: this kernel has none; podwire doctor says more\n"
        assert (done.returncode, done.stderr) == (1, line)
