"""The flows that policies mean: manifests of `policies/`, each beside the flows that it comes to in a small cluster.

A file begins with what its numbers stand for: addresses of pods and nodes, numbers of rules, masked ports.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))  # the model of a cluster is shared with the unit tests

from flow_changes import Changes, changes_of, text_of
from network_model import cluster_of, node, node_address, pod

from controller.desired import Desired, View
from controller.diff import Change
from controller.watch import KINDS
from k8sshim.objects import ContainerPort, Key, Node, Pod
from k8sshim.policies import Namespace
from k8sshim.validation import problems

pytestmark = pytest.mark.golden
HERE = Path(__file__).parent
HTTP, ALTERNATIVE = ContainerPort("http", 8080, "TCP"), ContainerPort("http", 9090, "TCP")
SQL, DNS = ContainerPort("sql", 5432, "TCP"), ContainerPort("dns", 53, "UDP")


def namespace(name: str, **labels: str) -> Namespace:
    return Namespace(name, tuple(sorted({"kubernetes.io/metadata.name": name, **labels}.items())))


def member(key: str, on: int, number: int, *ports: ContainerPort, **labels: str) -> Pod:
    """A pod with the number-th address of a node."""
    whole = Key(*key.split("/"))
    return replace(pod(whole.name, on, number), key=whole, ports=ports, labels=tuple(sorted(labels.items())))


def labelled(i: int, **labels: str) -> Node:
    return replace(node(i), labels=tuple(labels.items()))


PODS = {
    one.key.name: one
    for one in (
        member("shop/web", 1, 2, HTTP, app="web"),
        member("shop/web-next", 2, 2, ALTERNATIVE, app="web"),
        member("shop/db", 2, 3, SQL, app="db", tier="data"),
        member("ops/monitor", 1, 4, HTTP, app="monitor"),
        member("ops/dns", 2, 4, DNS, app="dns"),
        member("guests/visitor", 2, 5, app="web"),
        # Shares its node's network, as the agent tells it; otherwise like the monitor.
        replace(member("ops/agent", 1, 6, HTTP, app="monitor"), host_network=True, network=None, ip=node_address(1)),
    )
}
BASE: list[View] = [
    cluster_of(2),
    labelled(1, disk="ssd"),
    labelled(2, disk="hdd"),
    namespace("shop", team="retail"),
    namespace("ops", team="platform"),
    namespace("guests"),
    *PODS.values(),
]
CHANGES: dict[str, tuple[str, list[View]]] = {  # by name: the policy that is there already, and what changes then
    "subject-loses-its-label": ("one-peer-with-ports", [replace(PODS["db"], labels=())]),
    "peer-loses-its-label": ("one-peer-with-ports", [replace(PODS["web"], labels=(("tier", "front"),))]),
    "peer-comes": ("one-peer-with-ports", [member("shop/web-more", 2, 7, app="web")]),
    "namespace-gets-a-label": ("peers-and-or", [namespace("guests", team="platform")]),
    "pod-gets-another-port-number": ("named-port-egress", [replace(PODS["web"], ports=(ALTERNATIVE,))]),
    "node-gets-a-label": ("cluster-networks-and-nodes", [labelled(2, disk="ssd")]),
}
STEADY = sorted(path.stem for path in (HERE / "policies").glob("*.yaml"))


@pytest.mark.parametrize("name", STEADY)
def test_a_policy(name: str, golden: Callable[[Path, str], None]) -> None:
    desired = Desired()
    held = changes_of(desired, BASE)
    check(golden, name, changes_of(desired, policies(name)), held, [*PODS.values()])


@pytest.mark.parametrize("name", CHANGES)
def test_a_change(name: str, golden: Callable[[Path, str], None]) -> None:
    policy, after = CHANGES[name]
    desired = Desired()
    held = changes_of(desired, [*BASE, *policies(policy)])
    found = changes_of(desired, after)
    check(golden, name, found, held, [*PODS.values(), *(one for one in after if isinstance(one, Pod))])


def policies(name: str) -> Iterator[View]:
    """Those of a manifest, which the API would take."""
    for raw in yaml.safe_load_all((HERE / "policies" / f"{name}.yaml").read_text()):
        assert problems(raw) == []
        yield KINDS[raw["kind"]][1](raw)


def check(golden: Callable[[Path, str], None], name: str, found: Changes, held: Changes, pods: list[Pod]) -> None:
    text = text_of(found, held)
    rules = {
        number: subject for changes in (held, found) for one in changes.values() for number, subject in rules_of(one)
    }
    meant = {address_of(one): f"Pod {one.key}" for one in pods if one.network}
    meant |= {node_address(i): f"Node node{i}" for i in (1, 2)}
    meant |= rules | {ports: range_of(ports) for ports in re.findall(r"_dst=(0x\w+/0x\w+)", text)}
    legend = [f"# {number} is {what}" for number, what in meant.items() if re.search(rf"\b{re.escape(number)}\b", text)]
    golden(HERE / "flows" / f"policy-{name}.txt", "\n".join([*legend, "", text]))


def address_of(one: Pod) -> str:
    assert one.network is not None
    return one.network.addresses[0]


def rules_of(change: Change) -> Iterator[tuple[str, str]]:
    """The rules whose verdicts a change has, by number."""
    for flow in (*change.flows.values(), *change.gone.values()):
        for field, number in flow.match if flow else ():
            if flow and field == "conj_id":
                yield f"{number:#x}", flow.owner.subject


def range_of(masked: str) -> str:
    """`0x50/0xfff8` as `ports 80-87`."""
    value, mask = (int(part, 16) for part in masked.split("/"))
    return f"ports {value}-{value | ~mask & 0xFFFF}"
