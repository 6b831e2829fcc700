"""What the server makes of a Service's fields before it judges them.

It fills in defaults and what an update left out, and drops what a change of the type makes void.

Sources: Kubernetes' `SetDefaults_Service` (pkg/apis/core/v1/defaults.go), and the rules for updates of
pkg/registry/core/service. A field that no longer applies is dropped where the client left it as it was; where the
client changed it, it stays and is refused. Objects are changed in place, and may still be malformed: nobody has judged
them yet. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from k8sshim.errors import Problem, invalid
from k8sshim.objects import DEFAULT_AFFINITY_S, Raw

_PORT_TYPES = ("NodePort", "LoadBalancer")
_ADDRESS_FIELDS = (("clusterIP", "clusterIPs"), ("ipFamilies",), ("ipFamilyPolicy",))


def fill_in(raw: Raw, old: Raw | None) -> None:
    """Make a Service as a client wrote it (`old`: as it was) one that can be judged."""
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return
    _without_zeros(spec)
    if old is not None:
        _keep_given(spec, old["spec"])
    elif spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    _defaults(spec)
    if old is not None:
        _drop_void(spec, old["spec"])
        fill_in_status(spec, raw.setdefault("status", {}))


def fill_in_status(spec: Raw, status: Raw) -> None:
    """A Service that is no LoadBalancer (any more) has no load balancer; one that has, has addresses of a mode."""
    if spec.get("type") != "LoadBalancer":
        status["loadBalancer"] = {}
    for entry in _objects((status.get("loadBalancer") or {}).get("ingress")):
        if entry.get("ip") and not entry.get("ipMode"):
            entry["ipMode"] = "VIP"


def wants_address(spec: Raw) -> bool:
    return spec.get("type") != "ExternalName"


def wants_node_ports(spec: Raw) -> bool:
    return spec.get("type") == "NodePort" or (
        spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
    )


def wants_health_check(spec: Raw) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def ports_of(spec: Raw) -> list[Raw]:
    return _objects(spec.get("ports"))


def _objects(value: Any) -> list[Raw]:
    """The objects of what should be a list of objects."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _without_zeros(spec: Raw) -> None:
    """An empty value is an absent one, as it is in Go."""
    for name in ("clusterIP", "clusterIPs", "healthCheckNodePort", "externalTrafficPolicy", "loadBalancerIP"):
        if name in spec and not spec[name]:
            del spec[name]
    for port in ports_of(spec):
        if "nodePort" in port and not port["nodePort"]:
            del port["nodePort"]


# Defaults


def _defaults(spec: Raw) -> None:
    defaults: Raw = {"type": "ClusterIP", "sessionAffinity": "None"}
    kind = spec.get("type") or "ClusterIP"
    if kind in _PORT_TYPES or (kind == "ClusterIP" and spec.get("externalIPs")):
        defaults["externalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        defaults["allocateLoadBalancerNodePorts"] = True
    if kind != "ExternalName":
        defaults["internalTrafficPolicy"] = "Cluster"
    for name, value in defaults.items():
        if spec.get(name) is None:
            spec[name] = value
    _affinity(spec)
    for port in ports_of(spec):
        port["protocol"] = port.get("protocol") or "TCP"
        if not port.get("targetPort") and "port" in port:
            port["targetPort"] = port["port"]


def _affinity(spec: Raw) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.get("sessionAffinityConfig")
        client = config.get("clientIP") if isinstance(config, dict) else None
        if not config or client is None or (isinstance(client, dict) and client.get("timeoutSeconds") is None):
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": DEFAULT_AFFINITY_S}}


# Updates


def _keep_given(spec: Raw, old: Raw) -> None:
    """An update that is silent on what was allocated keeps it (as when a manifest is applied again)."""
    if wants_address(spec) and wants_address(old):
        _keep_addresses(spec, old)
    if wants_node_ports(spec) and wants_node_ports(old):
        _keep_node_ports(ports_of(spec), ports_of(old))
    if wants_health_check(spec) and wants_health_check(old):
        spec.setdefault("healthCheckNodePort", old.get("healthCheckNodePort"))


def _keep_addresses(spec: Raw, old: Raw) -> None:
    if "clusterIP" not in spec:
        if spec.get("clusterIPs", old["clusterIPs"]) == old["clusterIPs"]:
            spec["clusterIPs"] = old["clusterIPs"]
        spec["clusterIP"] = old["clusterIP"]
    elif spec["clusterIP"] == old["clusterIP"]:
        spec.setdefault("clusterIPs", old["clusterIPs"])
    elif spec.get("clusterIPs") in (None, old["clusterIPs"]):
        spec["clusterIPs"] = [spec["clusterIP"]]
    for name in ("ipFamilies", "ipFamilyPolicy"):
        spec[name] = spec.get(name) or old.get(name)


def _keep_node_ports(ports: list[Raw], old: list[Raw]) -> None:
    """By the ports' names: whatever else of a port changed, its node port is the same."""
    before = [port.get("nodePort") for port in old]
    used = {number for number in before if number in [port.get("nodePort") for port in ports]}
    by_name = {port.get("name") or "": port.get("nodePort") for port in old}
    for port in ports:
        kept = by_name.get(str(port.get("name") or "")) if "nodePort" not in port else None
        if kept and kept not in used:
            port["nodePort"] = kept
            used.add(kept)


def _drop_void(spec: Raw, old: Raw) -> None:
    if wants_address(old) and not wants_address(spec):
        for group in _ADDRESS_FIELDS:
            _drop_same(spec, old, *group)
    if wants_node_ports(old) and not wants_node_ports(spec) and _node_ports(spec) == _node_ports(old):
        for port in ports_of(spec):
            port.pop("nodePort", None)
    if not wants_health_check(spec):
        _drop_same(spec, old, "healthCheckNodePort")
    if spec.get("type") != "LoadBalancer":
        _drop_same(spec, old, "allocateLoadBalancerNodePorts")
        _drop_same(spec, old, "loadBalancerClass")
    external = spec.get("type") in _PORT_TYPES or (spec.get("type") == "ClusterIP" and spec.get("externalIPs"))
    if not external:
        _drop_same(spec, old, "externalTrafficPolicy")


def _drop_same(spec: Raw, old: Raw, *names: str) -> None:
    """Drop fields that the client left as they were."""
    if all(spec.get(name) == old.get(name) for name in names):
        for name in names:
            spec.pop(name, None)


def _node_ports(spec: Raw) -> list[Any]:
    return [port.get("nodePort") for port in ports_of(spec)]


# What an update may not change


def changed_problems(new: Raw, old: Raw) -> list[Problem]:
    """What an update of a Service changes that may not change."""
    spec, before = new["spec"], old["spec"]
    found: list[Problem] = []
    if wants_address(spec) and wants_address(before):
        found += _list_changed("clusterIPs", "primary clusterIP can not be unset", spec, before)
        if before.get("clusterIP") != "None":
            found += _list_changed("ipFamilies", "primary ipFamily can not be unset", spec, before)
    if spec.get("type") == before.get("type") == "LoadBalancer":
        found += _changed("loadBalancerClass", "may not change once set", spec, before, lambda value: True)
    if wants_health_check(spec) and wants_health_check(before):
        found += _changed("healthCheckNodePort", "field is immutable", spec, before, bool)
    return found


def _changed(name: str, detail: str, spec: Raw, old: Raw, matters: Callable[[Any], bool]) -> Iterator[Problem]:
    if matters(old.get(name)) and spec.get(name) != old.get(name):
        yield Problem(invalid(spec.get(name), detail), field=f"spec.{name}")


def _list_changed(name: str, unset: str, spec: Raw, old: Raw) -> Iterator[Problem]:
    """A second address may come and go, with its family; those that were there before and after stay the same."""
    new, before = spec.get(name) or [], old.get(name) or []
    if before and not new:
        yield Problem(invalid(spec.get(name), unset), field=f"spec.{name}[0]")
    for number, (one, other) in enumerate(zip(new, before, strict=False)):
        if one != other:
            yield Problem(invalid(new, "may not change once set"), field=f"spec.{name}[{number}]")
