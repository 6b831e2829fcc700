"""Lint's checks of peers: who is let in that was not meant, and who is meant that is nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import pairwise

from experiments.policy.explaining_words import peer_words
from experiments.policy.linting_cover import block_within
from experiments.policy.linting_scene import Scene, Written
from k8sshim.objects import Raw
from k8sshim.policies import NAME_LABEL
from k8sshim.selectors import Operator, Selector

LISTS = {"ingress": "from", "egress": "to"}
DNS_PORT = 53
Said = tuple[str, str]  # a field, and what there is to say of it


def rules(written: Written) -> Iterator[tuple[str, str, Raw]]:
    """Each rule with its field and the name of its list of peers."""
    for direction, peers in LISTS.items():
        for number, rule in enumerate(written.spec.get(direction) or ()):
            yield f"spec.{direction}[{number}]", peers, rule


def entries(written: Written) -> Iterator[tuple[str, Raw]]:
    """Each peer with its field."""
    for field, peers, rule in rules(written):
        for number, peer in enumerate(rule.get(peers) or ()):
            yield f"{field}.{peers}[{number}]", peer


def or_for_and(scene: Scene, written: Written) -> Iterator[Said]:
    """Pods and namespaces in two entries, one after the other: each alone is let in. An empty podSelector would change
    nothing in the other's entry, so it is meant as it is written."""
    for field, peers, rule in rules(written):
        named = rule.get(peers) or []
        for number, (one, two) in enumerate(pairwise(named)):
            pods, namespaces = (one, two) if "podSelector" in one else (two, one)
            if set(pods) != {"podSelector"} or set(namespaces) != {"namespaceSelector"}:
                continue
            if Selector.from_raw(pods["podSelector"]).empty:
                continue
            both = {**pods, **namespaces}
            yield (
                f"{field}.{peers}[{number + 1}]",
                f"two entries are an or: {peer_words(one, written.namespace)}, or {peer_words(two, written.namespace)} "
                f"(for {peer_words(both, written.namespace)} alone put podSelector and namespaceSelector into one "
                "entry, without the second dash)",
            )


def split_rule(scene: Scene, written: Written) -> Iterator[Said]:
    """Peers in one rule and ports in the next: these peers at all ports, and everybody at those ports. DNS of everybody
    is meant so."""
    for direction, peers in LISTS.items():
        for number, (one, two) in enumerate(pairwise(written.spec.get(direction) or [])):
            if one.get(peers) and not one.get("ports") and two.get("ports") and not two.get(peers):
                if {port.get("port") for port in two["ports"]} == {DNS_PORT}:
                    continue
                yield (
                    f"spec.{direction}[{number + 1}]",
                    f"{peers} in one rule and ports in the next are an or: those peers at all ports, and everybody at "
                    f"those ports (to mean both put {peers} and ports into one rule, without the second dash)",
                )


def empty_list(scene: Scene, written: Written) -> Iterator[Said]:
    """`from: []` looks like nobody and means everybody."""
    for field, peers, rule in rules(written):
        for name, everything in ((peers, "everybody"), ("ports", "all ports")):
            if name in rule and not rule[name]:
                yield (
                    f"{field}.{name}",
                    f"an empty list restricts nothing: it allows {everything} (leave {name} out to mean that; "
                    "to allow nothing leave the rule out)",
                )


def no_namespace(scene: Scene, written: Written) -> Iterator[Said]:
    """A namespaceSelector that no namespace has, where the files describe namespaces."""
    for field, peer in entries(written):
        raw = peer.get("namespaceSelector")
        if raw is None or not scene.namespaces:
            continue
        selector = Selector.from_raw(raw)
        if not any(selector.matches(labels) for labels in scene.known_namespaces.values()):
            yield f"{field}.namespaceSelector", f"matches no namespace of these files ({_hint(scene, selector)})"


def _hint(scene: Scene, selector: Selector) -> str:
    """Whoever selects by a label `name` often means the name."""
    for one in selector.requirements or ():
        if one.key == "name" and one.operator is Operator.IN and set(one.values) <= set(scene.known_namespaces):
            return f"a namespace has no label name of itself: write {NAME_LABEL}: {one.values[0]}"
    described = "; ".join(
        f"{name}: {','.join(f'{key}={value}' for key, value in sorted(labels.items()) if key != NAME_LABEL) or 'none'}"
        for name, labels in sorted(scene.namespaces.items())
    )
    return f"their labels, besides {NAME_LABEL}: {described}"


def pod_range(scene: Scene, written: Written) -> Iterator[Said]:
    """Pods are in blocks, too: in those of their own range, and in those of everything."""
    for field, peer in entries(written):
        block = peer.get("ipBlock")
        if block is None:
            continue
        if block_within(block["cidr"], scene.pod_range):
            yield (
                f"{field}.ipBlock.cidr",
                f"{block['cidr']} is of the pods' range {scene.pod_range}, whose addresses change from pod to pod "
                "(write a podSelector or namespaceSelector)",
            )
        elif block_within(scene.pod_range, block["cidr"]) and not _excepts(block, scene.pod_range):
            yield (
                f"{field}.ipBlock.cidr",
                f"{block['cidr']} has all pods in it, of every namespace (for the outside alone write "
                f"except: [{scene.pod_range}]; for pods a namespaceSelector)",
            )


def _excepts(block: Raw, pods: str) -> bool:
    """Whether the range of pods is left out, or some of it: whoever did that thought of it."""
    gaps = [ip_network(text, strict=False) for text in block.get("except") or ()]
    return any(gap.overlaps(ip_network(pods)) for gap in gaps)


def service_range(scene: Scene, written: Written) -> Iterator[Said]:
    """Nobody is asked about a cluster address: it is translated before."""
    for field, peer in entries(written):
        block = peer.get("ipBlock")
        if block is not None and block_within(block["cidr"], scene.service_range):
            yield (
                f"{field}.ipBlock.cidr",
                f"{block['cidr']} is of the Services' range {scene.service_range}, which no policy ever sees: a "
                "Service's address is translated to its pod's before policies are asked (select the Service's pods)",
            )
