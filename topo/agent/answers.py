"""What a stand-in says. Pure.

A stand-in stands for a container whose program is not here. Who talks to it learns who answered: over HTTP as JSON,
otherwise as the pod's name on a line of its own.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

_HTTP_LINE = re.compile(rb"[A-Z][A-Z-]{0,19} \S+ HTTP/1\.[01]\r?\n")
_COULD_BECOME_HTTP = re.compile(rb"[A-Z][A-Z-]{0,19}( [^\r\n]*\r?)?")
_LONGEST_LINE = 16 * 1024  # bytes of a request line


@dataclass(frozen=True)
class Identity:
    """Who answers."""

    pod: str
    namespace: str
    node: str
    container: str
    address: str

    @property
    def line(self) -> bytes:
        """The answer to whatever is not HTTP."""
        return self.pod.encode() + b"\n"


@dataclass(frozen=True)
class Question:
    """An HTTP request, as far as the answer repeats it."""

    client_address: str
    client_port: int
    port: int  # that was asked
    method: str
    path: str
    host: str


class Protocol(enum.Enum):
    """What a TCP client speaks."""

    HTTP = "http"
    OTHER = "other"
    UNDECIDED = "undecided"


def recognise(received: bytes) -> Protocol:
    """What the first bytes of a connection are."""
    if _HTTP_LINE.match(received):
        return Protocol.HTTP
    if len(received) < _LONGEST_LINE and _COULD_BECOME_HTTP.fullmatch(received):
        return Protocol.UNDECIDED
    return Protocol.OTHER


def body(who: Identity, asked: Question) -> bytes:
    """The JSON that answers an HTTP request."""
    answer = {
        "pod": who.pod,
        "namespace": who.namespace,
        "node": who.node,
        "container": who.container,
        "address": who.address,
        "port": asked.port,
        "client": {"address": asked.client_address, "port": asked.client_port},
        "method": asked.method,
        "path": asked.path,
        "host": asked.host,
    }
    return json.dumps(answer).encode() + b"\n"
