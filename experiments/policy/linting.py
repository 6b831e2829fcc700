"""`podwire policy lint`: what people get wrong in policies, from their files alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from experiments.policy import linting_peers, linting_policies, linting_ports
from experiments.policy.linting_peers import Said
from experiments.policy.linting_scene import Scene, Written, scene
from k8sshim.errors import BadInput, Problem
from k8sshim.manifests.documents import Document

Check = Callable[[Scene, Written], Iterator[Said]]
NETWORK_POLICY_CHECKS: dict[str, Check] = {
    "or-for-and": linting_peers.or_for_and,
    "split-rule": linting_peers.split_rule,
    "empty-list": linting_peers.empty_list,
    "no-namespace": linting_peers.no_namespace,
    "pod-range": linting_peers.pod_range,
    "service-range": linting_peers.service_range,
    "port-name": linting_ports.port_name,
    "service-port": linting_ports.service_port,
    "dns": linting_ports.dns,
    "selects-nothing": linting_policies.selects_nothing,
    "policy-types": linting_policies.policy_types,
    "useless": linting_policies.useless,
    "denies-nothing": linting_policies.denies_nothing,
}
ADMINISTRATOR_CHECKS: dict[str, Check] = {"same-priority": linting_policies.same_priority}
CHECKS = tuple({**NETWORK_POLICY_CHECKS, **ADMINISTRATOR_CHECKS})


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    check: str
    problem: Problem

    def __str__(self) -> str:
        return f"{self.problem} [{self.check}]"

    @property
    def raw(self) -> dict[str, object]:
        """As JSON."""
        one = self.problem
        return {
            "check": self.check,
            "file": one.file,
            "document": one.document or None,
            "object": one.object,
            "field": one.field,
            "message": one.message,
        }


@dataclass(frozen=True)
class Linted:
    """How many policies there were, and what was found in them, in their order."""

    policies: int
    findings: tuple[Finding, ...]


def chosen(select: Sequence[str], ignore: Sequence[str]) -> frozenset[str]:
    """The checks to make: those selected, or all, without those ignored. Raises BadInput for one that there is not."""
    for option, names in (("--select", select), ("--ignore", ignore)):
        unknown = sorted(set(names) - set(CHECKS))
        if unknown:
            raise BadInput.of(f"{option}: there is no check {unknown[0]}; there are: {', '.join(CHECKS)}")
    return frozenset(select or CHECKS) - set(ignore)


def lint(documents: Iterable[Document], checks: Collection[str] = CHECKS) -> Linted:
    """What the checks find in the policies of some files."""
    here = scene(documents)
    kinds = ((here.policies, NETWORK_POLICY_CHECKS), (here.administrators, ADMINISTRATOR_CHECKS))
    found = [
        Finding(name, written.document.problem(message, field))
        for policies, made in kinds
        for written in policies
        for name, check in made.items()
        if name in checks
        for field, message in check(here, written)
    ]
    return Linted(len(here.policies) + len(here.administrators), tuple(found))
