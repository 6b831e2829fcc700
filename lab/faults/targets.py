"""What a fault's targets are in a lab: canonical names, or one line that names what does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from k8sshim.client import PODS, Client
from k8sshim.errors import BadInput, NotFound, some
from k8sshim.objects import Key
from lab.components import COMPONENTS
from lab.inventory import pod_key
from lab.state import Lab
from topo.plan import Plan
from topo.vsctl import DAEMONS

from .effects import links_named
from .kinds import ANYTHING, COMPONENT, GROUP, KINDS, LINK, NODE, POD, SWITCH, Fault

VETH_ALONE = ("link-loss", "link-delay")


def look_up(lab: Lab, plan: Plan, fault: Fault) -> Fault:
    """The fault with its targets as the lab calls them. Raises BadInput, NotFound among them."""
    if KINDS[fault.kind].target == POD:
        return replace(fault, targets=tuple(_pod(lab, target) for target in fault.targets))
    return planned(f'lab "{lab.name}"', plan, fault)


def planned(where: str, plan: Plan, fault: Fault) -> Fault:
    """The same before there is a lab, with `where` for it; of pods nothing is known then. Raises BadInput."""
    kind = KINDS[fault.kind].target
    if kind == POD:
        return fault
    targets = tuple(_OF[kind](where, plan, target) for target in fault.targets)
    if fault.kind in VETH_ALONE:
        for target in targets:
            _check_shapeable(plan, fault.kind, target)
    return replace(fault, targets=targets)


def _check_shapeable(plan: Plan, kind: str, link: str) -> None:
    found = links_named(plan)[link]
    if found.like.shaped:
        raise BadInput.of(f"{kind}: link {link} is shaped by the cluster: its fields say what it loses and delays")
    if plan.is_patch(found):
        raise BadInput.of(
            f"{kind}: link {link} is inside one Open vSwitch, where nothing can be shaped; "
            "bring the lab up with links.kind: veth"
        )


def _link(where: str, plan: Plan, text: str) -> str:
    links = links_named(plan)
    a, _, b = text.partition(":")
    bridges = {node.bridge.name: node.name for node in plan.nodes}
    a, b = bridges.get(a, a), bridges.get(b, b)
    for name in (f"{a}:{b}", f"{b}:{a}"):
        if name in links:
            return name
    ends: dict[str, list[str]] = {}
    for name in links:
        one, _, other = name.partition(":")
        ends.setdefault(one, []).append(other)
        ends.setdefault(other, []).append(one)
    for end in (a, b):
        if end not in ends:
            raise NotFound.of(f'no link "{text}" in {where}: there is no node or switch "{end}"')
    raise NotFound.of(f'no link "{text}" in {where}: {a} is linked with {some(ends[a])}')


def _switch(where: str, plan: Plan, text: str) -> str:
    names = [switch.name for switch in plan.fabric]
    if text in {node.name for node in plan.nodes} | {node.bridge.name for node in plan.nodes}:
        raise BadInput.of(f'"{text}" is a node, not a switch of the fabric: use node-kill')
    return _one_of(where, "switch", text, names)


def _node(where: str, plan: Plan, text: str) -> str:
    return _one_of(where, "node", text, [node.name for node in plan.nodes])


def _component(where: str, _plan: Plan, text: str) -> str:
    return _one_of(where, "component", text, [*COMPONENTS, *DAEMONS])


def _group(where: str, plan: Plan, text: str) -> str:
    return ",".join(_node(where, plan, name) for name in text.split(","))


def _pod(lab: Lab, text: str) -> str:
    key = pod_key(text)
    client = Client(lab.kubeconfig)
    if client.get(PODS, key) is None:
        names = sorted(str(Key.of(raw)) for raw in client.list(PODS)[0])
        raise NotFound.of(f'no pod "{key}" in lab "{lab.name}"; pods: {some(names)}')
    return str(key)


def _one_of(where: str, kind: str, text: str, names: list[str]) -> str:
    if text not in names:
        raise NotFound.of(f'no {kind} "{text}" in {where}; there are {some(names)}')
    return text


def _anything(where: str, plan: Plan, text: str) -> str:
    """Of `heal`: whatever a fault may be done to."""
    if ":" in text:
        return _link(where, plan, text)
    if "," in text:
        return _group(where, plan, text)
    return _one_of(
        where, "node, switch or component", text,
        [*(node.name for node in plan.nodes), *(one.name for one in plan.fabric), *COMPONENTS, *DAEMONS],
    )  # fmt: skip


_OF: dict[str, Callable[[str, Plan, str], str]] = {
    LINK: _link,
    SWITCH: _switch,
    NODE: _node,
    COMPONENT: _component,
    GROUP: _group,
    ANYTHING: _anything,
}
