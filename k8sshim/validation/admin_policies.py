"""Rules for an administrator's policies: bounds, choices, and what their CEL rules say, in the words of the API server.

Source: the API types of https://github.com/kubernetes-sigs/network-policy-api. Three things are refused here that the
API lets pass, as they could only ever match nothing: a range of ports that ends before it starts, a protocol that has
no ports, and a name that no port can have. `domainNames`, which the API leaves to the implementation, podwire has not.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from k8sshim import names
from k8sshim.admin_policies import MAX_PRIORITY
from k8sshim.errors import Problem
from k8sshim.validation.addresses import PROTOCOLS, network_of
from k8sshim.validation.field import MAX_PORT, Field, unique
from k8sshim.validation.policies import supported

_MAX_NETWORKS = 25
_MAX_CIDR = 43  # characters
_MAX_NAME = 100  # characters of a rule's
_ONLY_ONE = 'Only one baseline admin network policy with metadata.name="default" can be created in the cluster'


@dataclass(frozen=True)
class _Limits:
    """What differs between the kinds."""

    actions: tuple[str, ...]
    most: int  # rules of a direction, and peers and ports of a rule
    ports: str  # the field of a rule that names some
    named: str  # the field of one of those that holds a name
    unnamed: str  # the peers that have no named ports, as the kind's CEL rule lists them


_ADMIN = _Limits(("Allow", "Deny", "Pass"), 100, "ports", "namedPort", "networks/nodes/domainNames")
_BASELINE = _Limits(("Allow", "Deny"), 100, "ports", "namedPort", "networks/nodes")
_CLUSTER = _Limits(("Accept", "Deny", "Pass"), 25, "protocols", "destinationNamedPort", "networks/nodes/domainNames")


def admin_policy_problems(root: Field) -> Iterator[Problem]:
    yield from _within(root.at("spec", "priority"), 0, MAX_PRIORITY)
    yield from _spec_problems(root["spec"], _ADMIN)


def baseline_policy_problems(root: Field) -> Iterator[Problem]:
    name = root.at("metadata", "name")
    if name.value != "default":
        yield name.invalid(_ONLY_ONE)
    yield from _spec_problems(root["spec"], _BASELINE)


def cluster_policy_problems(root: Field) -> Iterator[Problem]:
    yield from supported(root.at("spec", "tier"), "Admin", "Baseline")
    yield from _within(root.at("spec", "priority"), 0, MAX_PRIORITY)
    yield from _spec_problems(root["spec"], _CLUSTER)


def _spec_problems(spec: Field, limits: _Limits) -> Iterator[Problem]:
    yield from _exactly_one(spec["subject"])
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        yield from spec[direction].at_most(limits.most)
        for rule in spec[direction].elements():
            yield from _rule_problems(rule, rule[peers], limits)


def _rule_problems(rule: Field, peers: Field, limits: _Limits) -> Iterator[Problem]:
    if len(rule["name"].text) > _MAX_NAME:
        yield rule["name"].problem(f"Too long: may not be more than {_MAX_NAME} bytes")
    yield from supported(rule["action"], *limits.actions)
    yield from _some(peers, limits.most)
    for peer in peers.elements():
        yield from _exactly_one(peer)
        yield from _network_problems(peer["networks"])
        if peer["domainNames"]:
            yield peer["domainNames"].forbidden("podwire does not match domain names, use `networks`")
    ports = rule[limits.ports]
    yield from _some(ports, limits.most)
    for port in ports.elements():
        yield from _port_problems(port) if limits.ports == "ports" else _protocol_problems(port)
    named = any(port[limits.named] for port in ports.elements())
    if named and any(peer["networks"] or peer["nodes"] for peer in peers.elements()):
        reason = f"peer cannot be set with namedPorts since there are no namedPorts for {limits.unnamed}"
        yield _breaks_rule(rule, f"{limits.unnamed} {reason}")


def _network_problems(networks: Field) -> Iterator[Problem]:
    yield from _some(networks, _MAX_NETWORKS)
    yield from unique(networks.elements())
    for network in networks.elements():
        if len(network.text) > _MAX_CIDR:
            yield network.problem(f"Too long: may not be more than {_MAX_CIDR} bytes")
        elif isinstance(network.value, str) and network_of(network.value) is None:
            yield network.invalid("Invalid CIDR format provided")


# Ports


def _port_problems(port: Field) -> Iterator[Problem]:
    """`v1alpha1`."""
    yield from _exactly_one(port)
    for name in ("portNumber", "portRange"):
        yield from supported(port[name]["protocol"], *PROTOCOLS)
    yield from _within(port["portNumber"]["port"], 1, MAX_PORT)
    yield from _range_problems(port["portRange"], 0, "End port must not be less than Start port")
    yield from _name_problems(port["namedPort"])


def _protocol_problems(protocol: Field) -> Iterator[Problem]:
    """`v1alpha2`."""
    yield from _exactly_one(protocol)
    yield from _name_problems(protocol["destinationNamedPort"])
    for name in ("tcp", "udp", "sctp"):
        if protocol[name]:
            yield from _exactly_one(protocol[name])
            numbers = protocol[name]["destinationPort"]
            yield from _exactly_one(numbers)
            yield from _within(numbers["number"], 1, MAX_PORT)
            yield from _range_problems(numbers["range"], 1, "Start port must be less than End port")


def _range_problems(ports: Field, least: int, otherwise: str) -> Iterator[Problem]:
    """`least`: how many ports after its first a range must end; `otherwise`: what to say of one that does not."""
    start, end = ports["start"], ports["end"]
    yield from _within(start, 1, MAX_PORT)
    yield from _within(end, 1, MAX_PORT)
    if start.number is not None and end.number is not None and end.number - start.number < least:
        yield _breaks_rule(ports, otherwise)


def _name_problems(name: Field) -> Iterator[Problem]:
    if isinstance(name.value, str):
        yield from name.breaks(names.port_name(name.value))


# In the words of the API server on custom resources


def _breaks_rule(field: Field, message: str) -> Problem:
    """A CEL rule about an object: its value is not shown."""
    return field.problem(f'Invalid value: "object": {message}')


def _exactly_one(field: Field) -> Iterator[Problem]:
    """A union: one field of the object, no more and no fewer."""
    if not isinstance(field.value, dict):
        return
    if not field.value:
        yield field.invalid(f"{field.path} in body should have at least 1 properties")
    elif len(field.value) > 1:
        yield field.problem(f"Too many: {len(field.value)}: must have at most 1 items")


def _some(field: Field, most: int) -> Iterator[Problem]:
    """A list that may be left out, but not be empty."""
    if field.value == []:
        yield field.problem(f"Invalid value: 0: {field.path} in body should have at least 1 items")
    yield from field.at_most(most)


def _within(field: Field, least: int, most: int) -> Iterator[Problem]:
    if field.number is None:
        return
    if field.number < least:
        yield field.invalid(f"{field.path} in body should be greater than or equal to {least}")
    elif field.number > most:
        yield field.invalid(f"{field.path} in body should be less than or equal to {most}")
