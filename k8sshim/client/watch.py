"""Watches: changes as the server tells of them, over one long answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from types import TracebackType

import httpx2 as httpx

from k8sshim.client import failures
from k8sshim.objects import Raw

WATCH_S = 300  # the server ends a watch after that long, and the client begins another
_PATIENCE_S = 30.0  # for the connection, and beyond the server's own end of the watch


class Watch:
    """An open watch: iterate over it in one thread, close it from any."""

    def __init__(self, http: httpx.Client, url: str, path: str, params: dict[str, str]) -> None:
        self._http = http
        self._url = url
        self._path = path
        self._params = params
        self._response: httpx.Response | None = None
        self._closed = False

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[str, Raw]]:
        """Raises Expired, Unreachable, and PodwireError for what else the server answers."""
        timeout = httpx.Timeout(_PATIENCE_S, read=WATCH_S + _PATIENCE_S)
        with ExitStack() as stack:
            try:
                stream = self._http.stream("GET", self._path, params=self._params, timeout=timeout)
                self._response = stack.enter_context(stream)
                if self._closed:
                    return
                if not self._response.is_success:
                    raise failures.of_answer(self._response.status_code, self._response.read())
                for line in _lines(self._response.iter_bytes()):
                    yield _event(line)
            except (httpx.RequestError, httpx.StreamError) as error:
                if not self._closed:
                    raise failures.unreachable(self._url, error) from error

    def close(self) -> None:
        """End the watch; who iterates over it comes to the end of it at once."""
        self._closed = True
        if self._response is None:
            return
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is None:
            return
        # Below TLS, whose own shutdown may not be called while another thread reads.
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as plain:
            plain.shutdown(socket.SHUT_RDWR)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _event(line: bytes) -> tuple[str, Raw]:
    event = failures.decoded(line)
    if event["type"] == "ERROR":
        raise failures.of_status(int(event["object"].get("code") or 500), event["object"])
    return event["type"], event["object"]
