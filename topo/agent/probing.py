"""Probes as real requests: from the node's namespace to the pod's address, through the node bridge's flows."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from urllib.parse import quote

from k8sshim.errors import PodwireError
from topo.agent.entry import NamespaceEntry
from topo.agent.podspec import ContainerSpec, Probe
from topo.agent.probes import port_number
from topo.agent.workload import Workload

log = logging.getLogger(__name__)
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})")
_PATH_CHARACTERS = "/?&=%:@!$'()*+,;~#[]-._"
_UNSAFE = re.compile(r"[\r\n\0]")


class Prober:
    """Asks the pods of one node."""

    def __init__(self, entry: NamespaceEntry, node_namespace: str) -> None:
        self._entry = entry
        self._namespace = node_namespace

    async def ask(self, probe: Probe, container: ContainerSpec, address: str, workload: Workload) -> bool:
        """Whether the probe succeeds, within its timeout."""
        if probe.kind == "sleep":
            await asyncio.sleep(probe.timeout_s)
            return True
        if probe.kind == "exec":
            return await workload.execute(probe.command, probe.timeout_s)
        port = port_number(probe, container)
        if port is None:
            return False
        try:
            return await asyncio.wait_for(self._request(probe, probe.host or address, port), probe.timeout_s)
        except (OSError, PodwireError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            log.debug("probe of %s at %s port %s: %r", container.name, address, port, error)
            return False

    async def _request(self, probe: Probe, host: str, port: int) -> bool:
        connection = await self._connect(host, port)
        try:
            return probe.kind != "http" or await _http_get(connection, probe, host, port)
        finally:
            connection.close()

    async def _connect(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = await self._entry.run(self._namespace, lambda: socket.socket(family, socket.SOCK_STREAM))
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:  # a timeout cancels this
            made.close()
            raise
        return made


async def _http_get(connection: socket.socket, probe: Probe, host: str, port: int) -> bool:
    context = _unverified() if probe.scheme == "HTTPS" else None
    reader, writer = await asyncio.open_connection(
        sock=connection, ssl=context, server_hostname=host if context else None
    )
    try:
        writer.write(request_bytes(probe, host, port))
        match = _STATUS_LINE.match(await reader.readline())
        return match is not None and 200 <= int(match.group(1)) < 400
    finally:
        writer.close()


def request_bytes(probe: Probe, host: str, port: int) -> bytes:
    """The HTTP request of a probe. Raises ValueError for a header that would be more than one."""
    shown = f"[{host}]" if ":" in host else host
    headers = {"host": f"{shown}:{port}", "user-agent": "kube-probe/podwire", "accept": "*/*", "connection": "close"}
    headers.update({name.lower(): value for name, value in probe.headers})
    if any(_UNSAFE.search(part) for pair in headers.items() for part in pair):
        raise ValueError("a probe's header holds a line break")
    path = quote(probe.path if probe.path.startswith("/") else "/" + probe.path, safe=_PATH_CHARACTERS)
    lines = [f"GET {path} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _unverified() -> ssl.SSLContext:
    """As in Kubernetes, a probe does not verify certificates."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
