"""Rules for NetworkPolicies, in Kubernetes' order and words.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/ and the validation of
kubernetes/kubernetes (pkg/apis/networking/validation). Label selectors are judged where they stand in any object; a
peer or port that is null is an empty one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem, shown
from k8sshim.validation.addresses import PROTOCOLS, network_of, range_problems
from k8sshim.validation.field import Field

_TYPES = ("Ingress", "Egress")
_SELECTORS = ("podSelector", "namespaceSelector")


def network_policy_problems(root: Field) -> Iterator[Problem]:
    spec = root["spec"]
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec[direction].elements():
            for port in rule["ports"].elements():
                yield from _port_problems(port)
            for peer in rule[peers].elements():
                yield from _peer_problems(peer)
    types = spec["policyTypes"]
    if len(list(types.elements())) > len(_TYPES):
        yield types.invalid("may not specify more than two policyTypes")
        return
    for each in types.elements():
        yield from supported(each, *_TYPES)


def supported(field: Field, *choices: str) -> Iterator[Problem]:
    """A problem where there is a string, be it an empty one, that is none of these."""
    if isinstance(field.value, str) and field.value not in choices:
        listed = ", ".join(map(shown, choices))
        yield field.problem(f"Unsupported value: {shown(field.value)}: supported values: {listed}")


def _port_problems(entry: Field) -> Iterator[Problem]:
    yield from supported(entry["protocol"], *PROTOCOLS)
    port, last = entry["port"], entry["endPort"]
    if not port:
        if last:
            yield last.invalid("may not be specified when `port` is not specified")
    elif isinstance(port.value, str):
        if last:
            yield last.invalid("may not be specified when `port` is non-numeric")
        yield from port.breaks(names.port_name(port.value))
    else:
        yield from port.port_number()
        if last.number is not None and port.number is not None and last.number < port.number:
            yield last.invalid("must be greater than or equal to `port`")
        yield from last.port_number()


def _peer_problems(peer: Field) -> Iterator[Problem]:
    block, selected = peer["ipBlock"], any(peer[name] for name in _SELECTORS)
    if block:
        yield from _block_problems(block)
    elif not selected and isinstance(peer.value, dict | None):
        yield peer.required("must specify a peer")
    if block and selected:
        yield peer.forbidden("may not specify both ipBlock and another peer")


def _block_problems(block: Field) -> Iterator[Problem]:
    cidr = block["cidr"]
    if cidr.value in (None, ""):
        yield cidr.required()
        return
    yield from range_problems(cidr)
    whole = network_of(cidr.text)
    if whole is None:
        return
    for excepted in block["except"].elements():
        yield from range_problems(excepted)
        part = network_of(excepted.text)
        if part is None:
            continue
        if part.network_address not in whole or part.prefixlen <= whole.prefixlen:
            yield excepted.invalid("must be a strict subset of `cidr`")
