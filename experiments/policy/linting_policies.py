"""Lint's checks of policies as wholes: those that do nothing, or in another direction than they look. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.policy.linting_cover import rule_covers, selects_all_of
from experiments.policy.linting_peers import Said
from experiments.policy.linting_scene import Scene, Written
from k8sshim.policies import DIRECTIONS, EGRESS, INGRESS, Policy

_SHOWN = 5


def selects_nothing(scene: Scene, written: Written) -> Iterator[Said]:
    """No pod has the labels, where the files have pods in that namespace."""
    beside = [one for one in scene.workloads if one.namespace == written.namespace]
    selected = scene.pods(written.policy.subject)
    if beside and not selected:
        labels = sorted({",".join(f"{k}={v}" for k, v in sorted(one.labels.items())) or "none" for one in beside})
        more = f"; and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
        yield (
            "spec.podSelector",
            f"{written.policy.subject.pods} selects no pod of namespace {written.namespace} in these files, so the "
            f"policy does nothing (their labels: {'; '.join(labels[:_SHOWN])}{more})",
        )
    elif selected and all(one.host_network for one in selected):
        yield (
            "spec.podSelector",
            "selects hostNetwork pods alone, which no NetworkPolicy is about (they are their node: name its address in "
            "the policies of those that they talk to)",
        )


def policy_types(scene: Scene, written: Written) -> Iterator[Said]:
    """Rules of a direction that the policy is not about, and directions that it is about without a word."""
    spec, types = written.spec, written.spec.get("policyTypes")
    if types:
        for direction in DIRECTIONS:
            if spec.get(direction.lower()) and direction not in types:
                yield (
                    f"spec.{direction.lower()}",
                    f"is not looked at: policyTypes has {', '.join(types)} alone (add {direction} to policyTypes)",
                )
    elif spec.get("egress") and not spec.get("ingress"):
        yield (
            "spec.policyTypes",
            "is missing, so Ingress counts too, and as no rule allows any, nobody reaches the pods (write "
            "policyTypes: [Egress] if egress is all that was meant, [Ingress, Egress] if not)",
        )
    elif "egress" in spec and not spec["egress"]:
        yield (
            "spec.egress",
            "is empty and policyTypes is missing, so egress is not restricted (write policyTypes: [Egress], or "
            "[Ingress, Egress])",
        )


def useless(scene: Scene, written: Written) -> Iterator[Said]:
    """Another policy allows all that it allows, and isolates all that it isolates. Of two that say the same the later
    one is named."""
    index = scene.policies.index(written)
    for number, other in enumerate(scene.policies):
        if number == index or not _covers(other.policy, written.policy):
            continue
        if number > index and _covers(written.policy, other.policy):
            continue
        allows = any(written.policy.rules(direction) for direction in DIRECTIONS)
        what = "allows all that it allows, to" if allows else "isolates"
        yield "spec", f"changes nothing: {other} {what} the same pods or more (take it out, or narrow {other})"
        return


def _covers(wide: Policy, narrow: Policy) -> bool:
    """Whether `narrow` changes nothing beside `wide`. What denies is no such thing beside what allows: it says what
    holds once that is gone."""
    if not selects_all_of(wide, narrow):
        return False
    directions = [direction for direction in DIRECTIONS if narrow.rules(direction) is not None]
    return all(_covers_in(direction, wide, narrow) for direction in directions)


def _covers_in(direction: str, wide: Policy, narrow: Policy) -> bool:
    given, other = wide.rules(direction), narrow.rules(direction)
    if given is None or other is None:
        return False
    if not other:
        return not given
    return all(any(rule_covers(one, each) for one in given) for each in other)


def denies_nothing(scene: Scene, written: Written) -> Iterator[Said]:
    """A policy that denies beside one that allows everything to the same pods: policies only add up."""
    for direction in DIRECTIONS:
        if written.policy.rules(direction) != ():
            continue
        for other in scene.policies:
            open_to_all = any(rule.peers is None and rule.ports is None for rule in other.policy.rules(direction) or ())
            if open_to_all and selects_all_of(other.policy, written.policy):
                ways = {INGRESS: "into", EGRESS: "out of"}
                yield (
                    f"spec.{direction.lower()}",
                    f"denies nothing: {other} allows everything {ways[direction]} the same pods, and policies only add "
                    f"up, a denial does not come first (narrow {other})",
                )
                break


def same_priority(scene: Scene, written: Written) -> Iterator[Said]:
    """Two of the administrator's policies that are asked in an order that the API leaves open."""
    index, policy = scene.administrators.index(written), written.policy
    for other in scene.administrators[:index]:
        if (other.policy.tier, other.policy.priority) == (policy.tier, policy.priority):
            yield (
                "spec.priority",
                f"is that of {other}, too, and the API leaves open which of the two comes first (give each its own)",
            )
            return
