"""Rules for pods and pod templates: containers, ports, probes, volumes, and where a pod may run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.objects import MAX_WEIGHT, WEIGHT_ANNOTATION, weight_of
from k8sshim.validation.addresses import PROTOCOLS, address_problems, port_reference_problems
from k8sshim.validation.field import Field, unique
from k8sshim.validation.metadata import label_problems
from k8sshim.validation.resolving import resolving_problems

_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBE_NUMBERS = (
    "initialDelaySeconds",
    "periodSeconds",
    "timeoutSeconds",
    "successThreshold",
    "failureThreshold",
    "terminationGracePeriodSeconds",
)


def pod_problems(root: Field) -> Iterator[Problem]:
    yield from weight_problems(root["metadata"])
    yield from pod_spec_problems(root["spec"])
    yield from root.at("spec", "restartPolicy").one_of("Always", "OnFailure", "Never")


def weight_problems(metadata: Field) -> Iterator[Problem]:
    """podwire's own annotation, of a pod or a template."""
    weight = metadata["annotations"][WEIGHT_ANNOTATION]
    if weight.text and not weight_of(weight.text):
        yield weight.invalid(f"must be a whole number from 1 to {MAX_WEIGHT}")


def pod_spec_problems(spec: Field, claims: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """A pod's spec; `claims` names the volumes that a StatefulSet adds to it."""
    if not spec:
        yield spec.required()
        return
    if spec["containers"].value == []:
        yield spec["containers"].problem("is empty: a pod needs at least one container")
    yield from _placement_problems(spec)
    yield from resolving_problems(spec)
    yield from spec["terminationGracePeriodSeconds"].not_negative()
    for name in ("hostname", "subdomain"):
        if spec[name].text:
            yield from spec[name].breaks(names.dns_label(spec[name].text))
    volumes = list(spec["volumes"].elements())
    for volume in volumes:
        yield from volume["name"].called(names.dns_label)
    yield from unique(volume["name"] for volume in volumes)
    yield from _containers_problems(spec, claims.union(volume["name"].text for volume in volumes))


def _placement_problems(spec: Field) -> Iterator[Problem]:
    if spec["nodeName"].text:
        yield from spec["nodeName"].breaks(names.dns_subdomain(spec["nodeName"].text))
    yield from label_problems(spec["nodeSelector"])
    for toleration in spec["tolerations"].elements():
        key, operator, value = (toleration[name] for name in ("key", "operator", "value"))
        yield from operator.one_of("Exists", "Equal")
        yield from toleration["effect"].one_of("NoSchedule", "PreferNoSchedule", "NoExecute")
        if key.text:
            yield from key.breaks(names.qualified_name(key.text))
        elif operator.text != "Exists":
            yield operator.problem("must be Exists where there is no key")
        if operator.text == "Exists" and value.text:
            yield value.problem("must be empty with the operator Exists")


def _containers_problems(spec: Field, volumes: frozenset[str]) -> Iterator[Problem]:
    every = [*spec["initContainers"].elements(), *spec["containers"].elements()]
    yield from unique(container["name"] for container in every)
    host_network = spec["hostNetwork"].value is True
    yield from _same_host_ports(spec["containers"])
    for container in every:
        yield from container["name"].called(names.dns_label)
        yield from container["imagePullPolicy"].one_of("Always", "IfNotPresent", "Never")
        yield from _ports_problems(container, host_network=host_network)
        yield from _probes_problems(container)
        yield from _resources_problems(container["resources"])
        yield from _environment_problems(container)
        for mount in container["volumeMounts"].elements():
            if mount["name"].text and mount["name"].text not in volumes:
                yield mount["name"].problem(f"the pod has no volume {mount['name'].text!r}")


def _ports_problems(container: Field, *, host_network: bool) -> Iterator[Problem]:
    ports = list(container["ports"].elements())
    for port in ports:
        if port["name"].text:
            yield from port["name"].breaks(names.port_name(port["name"].text))
        yield from port["containerPort"].port_number()
        if port["hostPort"].number != 0:
            yield from port["hostPort"].port_number()
        if port["hostIP"].text:
            yield from address_problems(port["hostIP"])
        yield from port["protocol"].one_of(*PROTOCOLS)
        if host_network and port["hostPort"].number not in (None, 0, port["containerPort"].number):
            yield port["hostPort"].problem("must equal containerPort in a pod with hostNetwork")
    yield from unique(port["name"] for port in ports)


def _same_host_ports(containers: Field) -> Iterator[Problem]:
    seen: set[str] = set()
    ports = (port for container in containers.elements() for port in container["ports"].elements())
    for port in (port for port in ports if port["hostPort"].number):
        asked = f"{port['protocol'].text or 'TCP'}/{port['hostIP'].text}/{port['hostPort'].number}"
        if asked in seen:
            yield Field(asked, port["hostPort"].path).duplicate()
        seen.add(asked)


def _probes_problems(container: Field) -> Iterator[Problem]:
    declared = {port["name"].text for port in container["ports"].elements()}
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container[name]:
            yield from _probe_problems(container[name], declared)
    for name in ("livenessProbe", "startupProbe"):
        threshold = container[name]["successThreshold"]
        if threshold.number not in (None, 0, 1):
            yield threshold.problem(f"is {threshold.number}, expected 1: a {name} succeeds at once")


def _probe_problems(probe: Field, declared: set[str]) -> Iterator[Problem]:
    handlers = [probe[name] for name in _HANDLERS if probe[name]]
    if len(handlers) != 1:
        found = " and ".join(handler.path.rpartition(".")[2] for handler in handlers) or "none"
        yield probe.problem(f"needs one of exec, httpGet, tcpSocket and grpc, has {found}")
    for handler in handlers:
        port = handler["port"]
        yield from port_reference_problems(port)
        if port.text and not names.port_name(port.text) and port.text not in declared:
            yield port.problem(f"the container has no port named {port.text!r}")
        yield from handler["scheme"].one_of("HTTP", "HTTPS")
    for name in _PROBE_NUMBERS:
        yield from probe[name].not_negative()


def _environment_problems(container: Field) -> Iterator[Problem]:
    for variable in container["env"].elements():
        yield from variable["name"].called(names.variable)


def _resources_problems(resources: Field) -> Iterator[Problem]:
    for side in ("requests", "limits"):
        for _, amount in resources[side].entries():
            if amount.text and not _QUANTITY.fullmatch(amount.text):
                yield amount.problem(f"{amount.text!r} is no quantity (such as 500m, 2 or 128Mi)")
