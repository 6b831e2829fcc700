"""Whether what a timeline watches is served at all: asked before its first case, so that nobody waits for nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from experiments.timeline.parameters import CONNECTIONS, TCP, UDP, Timeline
from experiments.traffic import IPERF3_PORT, IRTT_PORT
from k8sshim.errors import BadInput, some
from k8sshim.objects import Key, Service
from lab.waiting import wait_until
from topo.fields import Problems

SERVED_S = 20.0  # for servers that are starting, all of them together


@dataclass(frozen=True)
class Target:
    """One thing that a watcher talks to."""

    watch: str
    address: str
    field: str  # of the scenario, which names it
    words: str


def targets(given: Timeline, addresses: Mapping[Key, str], service_address: str) -> Iterator[Target]:
    """What each watcher is to talk to; `addresses` are the pods', the Service's is empty where there is none."""
    fields = {case.server: f"cases.{case.name}.server" for case in reversed(given.cases) if case.server}
    tools = {UDP: f"UDP port {IRTT_PORT} (irtt)", TCP: f"TCP port {IPERF3_PORT} (iperf3)"}
    for pod, field in (fields | {given.server: "server"}).items():
        for watch in given.watch:
            if watch in tools:
                yield Target(watch, addresses[pod], field, f"{tools[watch]} of Pod {pod}")
            elif not given.service:
                yield Target(watch, addresses[pod], "port", f"TCP port {given.port} of Pod {pod}")
    if given.service and CONNECTIONS in given.watch:
        yield Target(CONNECTIONS, service_address, "service", f"TCP port {given.port} of Service {given.service}")


def check(
    found: Iterable[Target],
    served: Callable[[Target], bool],
    client: Key,
    problems: Problems,
    timeout_s: float = SERVED_S,
) -> None:
    """Wait until every target answers the client. Raises BadInput, which names those that do not in time."""
    deadline = time.monotonic() + timeout_s
    for one in found:
        if not wait_until(partial(served, one), max(0.0, deadline - time.monotonic())):
            said = f"nobody answers Pod {client} at {one.words}, asked for {timeout_s:g} s"
            problems.add(f"spec.parameters.{one.field}", said)
    if problems.found:
        raise BadInput(*problems.found)


def check_port(service: Service, port: int, problems: Problems) -> None:
    """Raises BadInput where the Service does not have the port: no wait makes it answer."""
    ports = [one.port for one in service.ports if one.protocol == "TCP"]
    if port not in ports:
        has = f"it has {some(map(str, ports))}" if ports else "it has no TCP port at all"
        problems.add("spec.parameters.port", f"Service {service.key} has no TCP port {port}, {has}")
        raise BadInput(*problems.found)
