"""Lint's checks of ports: names that no pod has, Services' ports instead of pods', and DNS. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.policy.linting_cover import block_within, selects_all_of
from experiments.policy.linting_peers import DNS_PORT, Said
from experiments.policy.linting_scene import Scene, Workload, Written
from k8sshim.policies import DIRECTIONS, INGRESS, NAME_LABEL, Action, Peer, PolicyPort, Rule, Tier

DNS_PODS = {"k8s-app": "kube-dns"}  # labels of the pods that answer DNS in nearly every cluster
DNS_NAMESPACE = {NAME_LABEL: "kube-system"}


def _ports(scene: Scene, written: Written) -> Iterator[tuple[str, PolicyPort, list[Workload]]]:
    """Each port with its field, and the pods of the files whose port it would be."""
    for direction in DIRECTIONS:
        for number, rule in enumerate(written.policy.rules(direction) or ()):
            targets = scene.pods(written.policy.subject) if direction == INGRESS else _peers(scene, rule)
            pods = [one for one in targets if not one.host_network]
            for index, port in enumerate(rule.ports or ()):
                yield f"spec.{direction.lower()}[{number}].ports[{index}].port", port, pods


def _peers(scene: Scene, rule: Rule) -> list[Workload]:
    if rule.peers is None:
        return list(scene.workloads)
    groups = [peer.pods for peer in rule.peers if peer.pods is not None]
    return [pod for group in groups for pod in scene.pods(group)]


def port_name(scene: Scene, written: Written) -> Iterator[Said]:
    """A name that none of the pods gives a port: the rule allows nothing there."""
    for field, port, pods in _ports(scene, written):
        name = port.port
        if not isinstance(name, str) or not pods or any(pod.number(name, port.protocol) for pod in pods):
            continue
        kinds = sorted({kind for pod in pods for each, _, kind in pod.ports if each == name})
        names = sorted({each for pod in pods for each, _, kind in pod.ports if each and kind == port.protocol})
        hint = f"it is {' and '.join(kinds)} there: say the protocol" if kinds else f"they have {_listed(names)}"
        yield field, f"none of the pods has a {port.protocol} port named {name} ({hint})"


def service_port(scene: Scene, written: Written) -> Iterator[Said]:
    """A Service's own port where its pods listen at another."""
    for field, port, pods in _ports(scene, written):
        number = port.port
        if not isinstance(number, int) or port.last:
            continue
        if any((number, port.protocol) in {(n, kind) for _, n, kind in pod.ports} for pod in pods):
            continue
        found = [hit for pod in pods for hit in _services_at(scene, pod, number, port.protocol)]
        if found and all(target != number for _, target in found):
            name, target = found[0]
            yield (
                field,
                f"{number} is the port of Service {name}, whose pods listen at {target}: policies are asked after a "
                f"Service's translation (write {target})",
            )


def _services_at(scene: Scene, pod: Workload, number: int, protocol: str) -> Iterator[tuple[str, int]]:
    """The Services that have the pod and the port, and the pod's port behind it."""
    for service in scene.services:
        if service.namespace != pod.namespace or not service.selector.matches(pod.labels):
            continue
        for port in service.ports:
            if (port["port"], port.get("protocol") or "TCP") != (number, protocol):
                continue
            target = port.get("targetPort") or number
            resolved = pod.number(target, protocol) if isinstance(target, str) else int(target)
            if resolved:
                yield service.name, resolved


def dns(scene: Scene, written: Written) -> Iterator[Said]:
    """Egress that allows this and that, and no names. Who allows nothing, or addresses alone, may do without."""
    egress = written.policy.egress
    if not egress or all(_is_of_addresses(rule) for rule in egress):
        return
    allowing = [one.policy.egress or () for one in scene.policies if selects_all_of(one.policy, written.policy)]
    first = [rule for one in scene.administrators if one.policy.tier is Tier.ADMIN for rule in one.policy.egress or ()]
    given = [rule for rule in first if rule.action is Action.ALLOW]
    if any(_gives_dns(scene, rule, "UDP") for rule in [*(rule for rules in allowing for rule in rules), *given]):
        return
    for number, rule in enumerate(egress):
        for index, port in enumerate(rule.ports or ()):
            if port.protocol == "TCP" and port.port == DNS_PORT:
                yield (
                    f"spec.egress[{number}].ports[{index}]",
                    "port 53 is of TCP here, which is the protocol where none is said, and DNS asks by UDP first "
                    "(say protocol: UDP, and TCP in an entry of its own)",
                )
                return
    yield (
        "spec.egress",
        "the pods cannot ask DNS, so no name resolves (add a rule with port 53 of UDP and of TCP, to the pods "
        "k8s-app=kube-dns of namespace kube-system)",
    )


def _is_of_addresses(rule: Rule) -> bool:
    return rule.peers is not None and all(peer.block is not None for peer in rule.peers)


def _gives_dns(scene: Scene, rule: Rule, protocol: str) -> bool:
    """Whoever names port 53 has thought of DNS, whomever he allows it to; at all ports it depends on the peers."""
    if rule.ports is not None and any(_is_dns(port, protocol) for port in rule.ports if port.port is not None):
        return True
    everything = rule.ports is None or any(p.port is None and p.protocol == protocol for p in rule.ports)
    return everything and (rule.peers is None or any(_may_be_dns(scene, peer) for peer in rule.peers))


def _is_dns(port: PolicyPort, protocol: str) -> bool:
    if port.protocol not in ("", protocol):
        return False
    if isinstance(port.port, str):
        return "dns" in port.port
    return port.port is not None and port.port <= DNS_PORT <= (port.last or port.port)


def _may_be_dns(scene: Scene, peer: Peer) -> bool:
    if peer.block is not None:
        return block_within(scene.pod_range, peer.block.cidr) and not peer.block.excepted
    if peer.pods is None:
        return False
    named = peer.pods.namespaces is None and peer.pods.namespace == DNS_NAMESPACE[NAME_LABEL]
    labels = scene.known_namespaces["kube-system"]
    selected = peer.pods.namespaces is not None and peer.pods.namespaces.matches(labels)
    return (named or selected) and peer.pods.pods.matches(DNS_PODS)


def _listed(names: list[str]) -> str:
    return f"names {', '.join(names)}" if names else "no named port"
