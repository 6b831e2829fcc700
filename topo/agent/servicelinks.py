"""The environment variables that tell a container of Services. Pure.

Rules: "Discovering services", environment variables, in the Kubernetes documentation; the second form is Docker's
"legacy container links".
"""

from __future__ import annotations

from collections.abc import Sequence

from k8sshim.objects import Service

API_PORT = 443


def variables(services: Sequence[Service], api: Service | None, api_address: str, *, links: bool) -> dict[str, str]:
    """Of the Services of a pod's namespace, where `links` are enabled, and of the Service `kubernetes` in any case.

    That one has `api_address` until it exists.
    """
    result = {"KUBERNETES_SERVICE_HOST": api_address, "KUBERNETES_SERVICE_PORT": str(API_PORT)}
    for service in (*([api] if api else []), *(services if links else ())):
        if service.cluster_ips and service.ports:
            result.update(_of(service))
    return result


def _of(service: Service) -> dict[str, str]:
    name, address, first = _variable(service.key.name), service.cluster_ips[0], service.ports[0]
    result = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(first.port)}
    result |= {f"{name}_SERVICE_PORT_{_variable(port.name)}": str(port.port) for port in service.ports if port.name}
    host = f"[{address}]" if ":" in address else address
    result[f"{name}_PORT"] = f"{first.protocol.lower()}://{host}:{first.port}"
    for port in service.ports:
        link = f"{name}_PORT_{port.port}_{port.protocol}"
        result |= {
            link: f"{port.protocol.lower()}://{host}:{port.port}",
            f"{link}_PROTO": port.protocol.lower(),
            f"{link}_PORT": str(port.port),
            f"{link}_ADDR": address,
        }
    return result


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
