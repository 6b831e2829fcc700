"""Rules for Services, in Kubernetes' order and words.

Source: https://kubernetes.io/docs/concepts/services-networking/service/. They hold for a manifest as a person wrote
it, and for the same with the server's defaults filled in. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem, shown
from k8sshim.objects import BALANCING, BALANCING_ANNOTATION
from k8sshim.validation.addresses import (
    address_problems,
    port_name_problems,
    port_reference_problems,
    protocol_problems,
    range_problems,
    reachable_address_problems,
    version_of,
)
from k8sshim.validation.field import Field, unique
from k8sshim.validation.metadata import label_problems

TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_MAX_AFFINITY_S = 86400
_KUBELET_PORT = 10250
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def service_problems(root: Field) -> Iterator[Problem]:
    spec = root["spec"]
    yield from root.at("metadata", "annotations", BALANCING_ANNOTATION).one_of(*BALANCING)
    yield from _type_problems(spec)
    yield from _port_problems(spec)
    yield from label_problems(spec["selector"])
    yield from _affinity_problems(spec)
    if _type(spec) != "ExternalName":
        yield from _cluster_ip_problems(spec)
    for address in spec["externalIPs"].elements():
        yield from reachable_address_problems(address)
    yield from spec["type"].one_of(*TYPES)
    yield from _node_port_problems(spec)
    yield from _same_ports(spec)
    yield from _load_balancer_problems(spec)
    yield from _policy_problems(spec)


def _type(spec: Field) -> str:
    return spec["type"].text or "ClusterIP"


def _headless(spec: Field) -> bool:
    return "None" in (spec["clusterIP"].value, *(field.value for field in spec["clusterIPs"].elements()))


def _type_problems(spec: Field) -> Iterator[Problem]:
    kind, headless = _type(spec), _headless(spec)
    if not list(spec["ports"].elements()) and not headless and kind != "ExternalName":
        yield spec["ports"].required()
    if headless and kind in ("NodePort", "LoadBalancer"):
        yield Field("None", spec["clusterIPs"].path + "[0]").invalid(f"may not be set to 'None' for {kind} services")
    if kind == "LoadBalancer":
        for port in spec["ports"].elements():
            if port["port"].number == _KUBELET_PORT:
                yield Field(_KUBELET_PORT, port.path).invalid(
                    f"may not expose port {_KUBELET_PORT} externally since it is used by kubelet"
                )
    if kind == "ExternalName":
        yield from _external_name_problems(spec)


def _external_name_problems(spec: Field) -> Iterator[Problem]:
    if spec["clusterIP"].text or spec["clusterIPs"].value:
        yield spec["clusterIPs"].forbidden("may not be set for ExternalName services")
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if spec[name].value:
            yield spec[name].forbidden("may not be set for ExternalName services")
    target = Field(spec["externalName"].text.removesuffix("."), spec["externalName"].path)
    if target.text:
        yield from target.breaks(names.dns_subdomain(target.text))
    else:
        yield target.required()


# Ports


def _port_problems(spec: Field) -> Iterator[Problem]:
    ports = list(spec["ports"].elements())
    again = {problem.field: problem for problem in unique(port["name"] for port in ports)}
    for port in ports:
        yield from port_name_problems(port, several=len(ports) > 1)
        if port["name"].path in again:
            yield again[port["name"].path]
        yield from port["port"].port_number()
        yield from protocol_problems(port)
        yield from _target_problems(port)


def _target_problems(port: Field) -> Iterator[Problem]:
    """No target, and an empty one, is the Service's own port: where that is none, both are wrong."""
    target = port["targetPort"]
    own = target.value in (None, 0, "")
    yield from port_reference_problems(Field(port["port"].number, target.path) if own else target)


def _node_port_problems(spec: Field) -> Iterator[Problem]:
    seen: set[tuple[str, int]] = set()
    for port in spec["ports"].elements():
        number, protocol = port["nodePort"].number, port["protocol"].text or "TCP"
        if not number:
            continue
        if _type(spec) == "ClusterIP":
            yield port["nodePort"].forbidden("may not be used when `type` is 'ClusterIP'")
        if (protocol, number) in seen:
            yield port["nodePort"].duplicate()
        seen.add((protocol, number))


def _same_ports(spec: Field) -> Iterator[Problem]:
    seen: set[tuple[str, int]] = set()
    for port in spec["ports"].elements():
        number, protocol = port["port"].number, port["protocol"].text or "TCP"
        if number is not None and (protocol, number) in seen:
            # Kubernetes shows the Go value that it compared, of which these two say something
            same = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number}
            yield port.problem(f"Duplicate value: {shown({**same, 'TargetPort': 0, 'NodePort': 0})}")
        seen.add((protocol, number or 0))


# Addresses


def _cluster_ip_problems(spec: Field) -> Iterator[Problem]:
    single, several = spec["clusterIP"], spec["clusterIPs"]
    addresses = list(several.elements())
    if single.text and addresses and addresses[0].value != single.text:
        yield several.invalid("first value must match `clusterIP`")
    elif not single.text and addresses:
        yield several.invalid("must be empty when `clusterIP` is not specified")
    for family in spec["ipFamilies"].elements():
        yield from family.one_of("IPv4", "IPv6")
    yield from unique(spec["ipFamilies"].elements())
    yield from spec["ipFamilyPolicy"].one_of("SingleStack", "PreferDualStack", "RequireDualStack")
    if not addresses and single.text:  # what the server makes of it
        addresses = [Field(single.text, several.path + "[0]")]
    yield from _address_list_problems(several, addresses)
    yield from _family_problems(spec, addresses)


def _address_list_problems(several: Field, addresses: list[Field]) -> Iterator[Problem]:
    for number, address in enumerate(addresses):
        if number or address.value != "None":
            yield from address_problems(address)
        elif len(addresses) > 1:
            yield several.invalid("'None' must be the first and only value")
    if len(addresses) > 2:
        yield several.invalid("may only hold up to 2 values")
    versions = [version_of(address.text) for address in addresses]
    if len(versions) > 1 and all(versions) and len(set(versions)) < 2:
        yield several.invalid("may specify no more than one IP for each IP family")


def _family_problems(spec: Field, addresses: list[Field]) -> Iterator[Problem]:
    for number, (address, family) in enumerate(zip(addresses, spec["ipFamilies"].elements(), strict=False)):
        version = version_of(address.text)
        if version and family.text != f"IPv{version}":
            yield address.invalid(f"expected an {family.text} value as indicated by `ipFamilies[{number}]`")


# What else a Service asks for


def _affinity_problems(spec: Field) -> Iterator[Problem]:
    yield from spec["sessionAffinity"].one_of("None", "ClientIP")
    timeout = spec.at("sessionAffinityConfig", "clientIP", "timeoutSeconds")
    if spec["sessionAffinity"].text != "ClientIP" or timeout.number is None:
        return
    if not 0 < timeout.number <= _MAX_AFFINITY_S:
        yield timeout.invalid(f"must be greater than 0 and less than {_MAX_AFFINITY_S}")


def _load_balancer_problems(spec: Field) -> Iterator[Problem]:
    # Kubernetes spells this path with a capital letter
    ranges = Field(spec["loadBalancerSourceRanges"].value, f"{spec.path}.LoadBalancerSourceRanges")
    other = _type(spec) != "LoadBalancer"
    if other and ranges.value:
        yield ranges.forbidden(_ONLY_LOAD_BALANCER)
    for each in ranges.elements():
        yield from range_problems(each, spaces=True)
    if other and spec["allocateLoadBalancerNodePorts"]:
        yield spec["allocateLoadBalancerNodePorts"].forbidden(_ONLY_LOAD_BALANCER)
    name = spec["loadBalancerClass"]
    if name and other:
        yield name.forbidden(_ONLY_LOAD_BALANCER)
    elif name:
        yield from name.breaks(names.qualified_name(name.text))


def _policy_problems(spec: Field) -> Iterator[Problem]:
    policy, health = spec["externalTrafficPolicy"], spec["healthCheckNodePort"]
    external = _type(spec) in ("NodePort", "LoadBalancer") or bool(_type(spec) == "ClusterIP" and spec["externalIPs"])
    if policy.text and not external:
        yield policy.invalid("may only be set for externally-accessible services")
    else:
        yield from policy.one_of(*_POLICIES)
    if health.number and (_type(spec) != "LoadBalancer" or policy.text != "Local"):
        yield health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
    elif health.number:
        yield from health.port_number()
    yield from spec["internalTrafficPolicy"].one_of(*_POLICIES)
    yield from spec["trafficDistribution"].one_of(*_DISTRIBUTIONS)


def service_status_problems(root: Field) -> Iterator[Problem]:
    """What a load balancer may say of a Service; `root` has the Service's spec, too."""
    ingress = root.at("status", "loadBalancer", "ingress")
    if ingress.value and _type(root["spec"]) != "LoadBalancer":
        yield ingress.forbidden('may only be used when `spec.type` is "LoadBalancer"')
    for entry in ingress.elements():
        if entry["ip"].text:
            yield from address_problems(entry["ip"])
            yield from entry["ipMode"].one_of("VIP", "Proxy")
        elif entry["ipMode"]:
            yield entry["ipMode"].forbidden("may not be specified when `ip` is not set")
        if entry["hostname"].text:
            yield from _hostname_problems(entry["hostname"])


def _hostname_problems(hostname: Field) -> Iterator[Problem]:
    yield from hostname.breaks(names.dns_subdomain(hostname.text))
    if version_of(hostname.text):
        yield hostname.invalid("must be a DNS name, not an IP address")
