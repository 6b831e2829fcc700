"""The API server alone: how fast it stores, lists and tells, what it costs in memory, and whether that grows."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psutil

from bench.outcome import AT_LEAST, AT_MOST, Figure, Outcome
from k8sshim import credentials, pki
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw

CLIENTS, BATCH, STORED, FEW = 4, 1000, 10_000, 100
WATCHERS, CHANGES, WRITES = 100, 20, 200
_PODS = "/api/v1/namespaces/default/pods"
_READY_S = 30.0


@dataclass(frozen=True)
class _Server:
    """A server that runs; picklable, for clients in other processes."""

    port: int
    authority: str
    token: str
    pid: int

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(), timeout=120)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


def run() -> Outcome:
    """Measure. Raises PodwireError where the server does not come up or refuses."""
    with _server() as server:
        few = _create(server, 0, FEW)
        at_few = _write_seconds(server)
        rate = _create(server, FEW, BATCH)
        _create(server, FEW + BATCH, STORED - FEW - BATCH)
        at_many = _write_seconds(server)
        lists = tuple(_get(server, _PODS)[1] for _ in range(3))
        pages = tuple(_get(server, f"{_PODS}?limit=500")[0] * 1000 for _ in range(5))
        told = asyncio.run(_told_ms(server))
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
    return Outcome(
        (
            Figure(f"API: {BATCH} pods created by {CLIENTS} clients", AT_LEAST, 500.0, "objects/s", (rate,)),
            Figure(f"API: a list of {STORED} pods", AT_MOST, 1.0, "s", lists),
            Figure(f"API: first byte of a page of 500 of {STORED} pods", AT_MOST, 50.0, "ms", pages),
            Figure(f"API: a change seen by {WATCHERS} watchers, median", AT_MOST, 50.0, "ms", told),
            Figure(f"API: memory with {STORED} pods", AT_MOST, 300.0, "MiB", (memory,)),
            Figure(f"API: a write with {STORED} pods against {FEW}", AT_MOST, 1.5, "x", (at_many / at_few,)),
        ),
        (f"clients on the same machine; the first {FEW} pods came at {few:.0f} a second",),
    )


@contextmanager
def _server() -> Iterator[_Server]:
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        folder = Path(name)
        pki.create(folder / "pki", service_cidrs=["10.96.0.0/16"], now=datetime.now(timezone.utc))
        descriptor = listening.fileno()
        argv = [sys.executable, "-m", "k8sshim.server", "--store", str(folder / "store.sqlite"), "--pki"]
        argv += [str(folder / "pki"), "--service-cidr", "10.96.0.0/16", "--listen-fd", str(descriptor)]
        process = subprocess.Popen(argv, pass_fds=[descriptor], stderr=subprocess.DEVNULL)
        try:
            authority = str(folder / "pki" / credentials.CA_CERTIFICATE)
            token = (folder / "pki" / credentials.TOKEN).read_text()
            server = _Server(listening.getsockname()[1], authority, token, process.pid)
            _wait(server)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait(server: _Server) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            _get(server, "/readyz")
            return
        except OSError:
            time.sleep(0.1)
    raise PodwireError("the API server did not come up")


def _pod(number: int) -> Raw:
    ports = [{"name": "http", "containerPort": 80}]
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "ports": ports,
        "env": [{"name": "A", "value": "b"}],
    }
    metadata = {"name": f"pod-{number:05}", "labels": {"app": f"app-{number % 50}"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _create(server: _Server, first: int, count: int) -> float:
    """Pods a second, from the first request of all clients to the last answer."""
    share = count // CLIENTS
    with ProcessPoolExecutor(CLIENTS) as pool:
        list(pool.map(_nothing, range(CLIENTS)))  # the processes are there
        begun = time.monotonic()
        list(pool.map(_create_some, [server] * CLIENTS, [first + share * n for n in range(CLIENTS)], [share] * CLIENTS))
        return count / (time.monotonic() - begun)


def _nothing(_: int) -> None:
    time.sleep(0.2)


def _create_some(server: _Server, first: int, count: int) -> None:
    connection = server.connection()
    for number in range(first, first + count):
        connection.request("POST", _PODS, json.dumps(_pod(number)), server.headers())
        _answer(connection)
    connection.close()


def _answer(connection: http.client.HTTPSConnection) -> bytes:
    response = connection.getresponse()
    content = response.read()
    if response.status >= 300:
        raise PodwireError(f"the API server answered {response.status}: {content[:200]!r}")
    return content


def _get(server: _Server, path: str) -> tuple[float, float]:
    """Seconds until the first byte, and until the last."""
    connection = server.connection()
    connection.connect()
    begun = time.monotonic()
    connection.request("GET", path, headers=server.headers())
    response = connection.getresponse()
    response.read(1)
    first = time.monotonic() - begun
    response.read()
    last = time.monotonic() - begun
    connection.close()
    return first, last


def _write_seconds(server: _Server) -> float:
    """The median of many writes, one after another."""
    connection, taken = server.connection(), []
    for number in range(WRITES):
        patch = {"metadata": {"annotations": {"n": f"{time.monotonic()}"}}}
        headers = server.headers() | {"Content-Type": "application/merge-patch+json"}
        begun = time.monotonic()
        connection.request("PATCH", f"{_PODS}/pod-{number % FEW:05}", json.dumps(patch), headers)
        _answer(connection)
        taken.append(time.monotonic() - begun)
    connection.close()
    return statistics.median(taken)


async def _told_ms(server: _Server) -> tuple[float, ...]:
    """For each change the median over all watchers of the time from its request to their hearing of it."""
    watchers = [await _watch(server) for _ in range(WATCHERS)]
    connection, readings = server.connection(), []
    for number in range(CHANGES):
        begun = time.monotonic()
        heard = [asyncio.create_task(_hear(reader, begun)) for reader, _ in watchers]
        await asyncio.sleep(0)
        await asyncio.to_thread(_change, server, connection, number)
        readings.append(statistics.median(await asyncio.gather(*heard)) * 1000)
    for _, writer in watchers:
        writer.close()
    return tuple(readings)


def _change(server: _Server, connection: http.client.HTTPSConnection, number: int) -> None:
    headers = server.headers() | {"Content-Type": "application/merge-patch+json"}
    connection.request("PATCH", f"{_PODS}/pod-00000", json.dumps({"metadata": {"labels": {"n": str(number)}}}), headers)
    _answer(connection)


async def _watch(server: _Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context(), limit=1 << 20)
    version = json.loads(await asyncio.to_thread(_read, server, f"{_PODS}?limit=1"))["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}"
    head = f"GET {_PODS}?{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def _read(server: _Server, path: str) -> bytes:
    connection = server.connection()
    connection.request("GET", path, headers=server.headers())
    return _answer(connection)


async def _hear(reader: asyncio.StreamReader, begun: float) -> float:
    await reader.readuntil(b'"type":"MODIFIED"')
    return time.monotonic() - begun
