"""The sockets of a stand-in, made inside its pod's namespace."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from k8sshim.objects import ContainerPort
from topo.agent.podspec import ContainerSpec, PodSpec
from topo.agent.probes import port_number
from topo.agent.workload import StartError

_BACKLOG = 512
_UNSUPPORTED = {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}


class PortTaken(StartError):
    """Something else in the namespace is bound to the port."""

    def __init__(self, port: ContainerPort) -> None:
        self.port = port
        super().__init__(f"port {port.number}/{port.protocol} is already bound in the pod's namespace")


@dataclass(frozen=True)
class Listener:
    """A bound socket and the port it is for."""

    port: ContainerPort
    socket: socket.socket


def ports_of(spec: PodSpec, container: ContainerSpec) -> tuple[ContainerPort, ...]:
    """What a stand-in listens on: declared ports, and those its own probes ask that no container of the pod declares.

    Declaring a port is optional in Kubernetes, so a probe may be all that tells of one.
    """
    declared = {(port.number, port.protocol): port for port in container.ports}
    anyone = {(port.number, port.protocol) for one in spec.containers for port in one.ports}
    for probe in container.probes:
        number = port_number(probe, container) if probe.kind != "exec" and not probe.host else None
        if number and (number, "TCP") not in anyone:
            declared[(number, "TCP")] = ContainerPort("", number, "TCP")
    return tuple(declared.values())


def families_of(addresses: Sequence[str]) -> tuple[socket.AddressFamily, ...]:
    """The address families of a pod's addresses."""
    found = {socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses}
    return tuple(sorted(found)) or (socket.AF_INET,)


def listen(ports: Sequence[ContainerPort], families: Sequence[socket.AddressFamily]) -> list[Listener]:
    """Bind each port in this thread's namespace. Raises PortTaken or StartError, and nothing stays bound then."""
    listeners: list[Listener] = []
    try:
        for port in ports:
            for family in families:
                bound = _bind(port, family)
                if bound is not None:
                    listeners.append(Listener(port, bound))
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def _bind(port: ContainerPort, family: socket.AddressFamily) -> socket.socket | None:
    kind = socket.SOCK_DGRAM if port.protocol == "UDP" else socket.SOCK_STREAM
    protocol = socket.IPPROTO_SCTP if port.protocol == "SCTP" else 0
    try:
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        if (
            port.protocol == "SCTP" and error.errno in _UNSUPPORTED
        ):  # this kernel has none: the rest of the pod still works
            return None
        raise StartError(f"port {port.number}/{port.protocol}: {error.strerror}") from error
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port.protocol != "UDP":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", port.number))
        if port.protocol != "UDP":
            made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from error
        raise StartError(f"port {port.number}/{port.protocol}: {error.strerror}") from error
    return made
