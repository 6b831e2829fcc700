"""A real API server for tests: its own process, its own port on loopback, its own folder."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from k8sshim import credentials, pki

ROOT = Path(__file__).resolve().parents[2]
SERVICE_CIDR = "10.96.0.0/16"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Return when the condition holds; fail the test where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(0.02)


class ApiProcess:
    """The server's process. The listening socket is the test's, so that it outlives a restart, as in a lab."""

    def __init__(self, folder: Path, *, bootstrap: Sequence[dict[str, Any]] = (), options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.pki = folder / "pki"
        self.kubeconfig = folder / "kubeconfig"
        self.log = folder / "server.log"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        pki.create(self.pki, service_cidrs=[SERVICE_CIDR], now=datetime.now(timezone.utc))
        self.kubeconfig.write_text(pki.kubeconfig(self.pki, self.url, "test"))
        (folder / "bootstrap.json").write_text(json.dumps(list(bootstrap)))
        self._process: subprocess.Popen[bytes] | None = None
        self._options = options

    def start(self) -> None:
        """Return when it is ready."""
        self.launch()
        assert self.request("GET", "/readyz")[0] == 200, self.log.read_text()

    def launch(self) -> None:
        """Start the process alone."""
        descriptor = self._socket.fileno()
        argv = [sys.executable, "-m", "k8sshim.server", "--store", str(self.folder / "store.sqlite")]
        argv += ["--pki", str(self.pki), "--service-cidr", SERVICE_CIDR]
        argv += ["--bootstrap", str(self.folder / "bootstrap.json"), "--listen-fd", str(descriptor), *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, pass_fds=[descriptor])

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it with SIGTERM; returns its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(10)

    def restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._socket.close()

    def connection(self, *, client_certificate: bool = False) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.pki / credentials.CA_CERTIFICATE))
        if client_certificate:
            context.load_cert_chain(self.pki / credentials.CLIENT_CERTIFICATE, self.pki / credentials.CLIENT_KEY)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=15)

    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {(self.pki / credentials.TOKEN).read_text()}",
            "Content-Type": "application/json",
        }

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status code and answer (JSON where it is that); `headers` are added to the usual ones."""
        connection = self.connection()
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body)
            connection.request(method, path, content, self.headers() | dict(headers or {}))
            response = connection.getresponse()
            data = response.read()
            is_json = "json" in response.headers.get("content-type", "")
            return response.status, json.loads(data) if is_json else data
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """As `request`, for what must succeed."""
        code, answer = self.request(method, path, body, headers)
        assert code in (200, 201), answer
        return answer

    @contextmanager
    def watch(self, path: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a watch, as they come."""
        connection = self.connection()
        connection.request("GET", path, headers=self.headers())
        response = connection.getresponse()
        try:
            yield (json.loads(line) for line in response)
        finally:
            connection.close()

    def resident_bytes(self) -> int:
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
