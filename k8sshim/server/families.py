"""Which address families a Service has: asked for, read off its addresses, or the cluster's.

Source: https://kubernetes.io/docs/concepts/services-networking/dual-stack/. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8sshim.errors import Problem, invalid
from k8sshim.objects import Raw
from k8sshim.validation.addresses import version_of

_FAMILIES = ("IPv4", "IPv6")


def choose(spec: Raw, old: Raw | None, configured: Sequence[str]) -> Iterator[Problem]:
    """Fill in `ipFamilies` and `ipFamilyPolicy`; `configured`: the families that have a service range, primary first.

    A headless Service without a selector may have families that the cluster has not: nobody but its author says where
    its endpoints are.
    """
    by_hand = spec.get("clusterIP") == "None" and not spec.get("selector")
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if by_hand else "SingleStack")
    spec["ipFamilyPolicy"] = policy
    if old is not None and policy == "SingleStack":
        _release_second(spec, old["spec"])
    families = list(spec.get("ipFamilies") or ())
    wrong = [*_too_many(spec, policy, families), *_read_off(spec, families, configured)]
    families = families or [configured[0]]
    if not wrong and not by_hand:
        wrong = list(_not_configured(policy, families, configured))
    if policy != "SingleStack" and len(families) == 1 and (by_hand or len(configured) > 1):
        families += [family for family in _FAMILIES if family not in families]
    spec["ipFamilies"] = families
    yield from wrong


def _release_second(spec: Raw, old: Raw) -> None:
    """To ask for one family is to give back the second address."""
    for name in ("clusterIPs", "ipFamilies"):
        if spec.get(name) and spec[name] == old.get(name):
            spec[name] = spec[name][:1]


def _too_many(spec: Raw, policy: str, families: list[str]) -> Iterator[Problem]:
    for count, what in ((len(spec.get("clusterIPs") or ()), "cluster IPs"), (len(families), "IP families")):
        if policy == "SingleStack" and count > 1:
            detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            yield Problem(invalid(policy, detail), field="spec.ipFamilyPolicy")


def _read_off(spec: Raw, families: list[str], configured: Sequence[str]) -> Iterator[Problem]:
    """Add the families of addresses that were asked for and have none yet."""
    asked = spec.get("clusterIPs") or ()
    for number, address in enumerate(asked):
        if number < len(families) or not version_of(address):
            continue
        family = f"IPv{version_of(address)}"
        if family in configured:
            families.append(family)
        else:
            message = invalid(asked, f"{family} is not configured on this cluster")
            yield Problem(message, field=f"spec.clusterIPs[{number}]")


def _not_configured(policy: str, families: list[str], configured: Sequence[str]) -> Iterator[Problem]:
    if policy == "RequireDualStack" and len(configured) < 2:
        detail = "this cluster is not configured for dual-stack services"
        yield Problem(invalid(policy, detail), field="spec.ipFamilyPolicy")
    for number, family in enumerate(families):
        if family not in configured:
            yield Problem(invalid(family, "not configured on this cluster"), field=f"spec.ipFamilies[{number}]")
