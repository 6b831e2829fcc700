"""What a stand-in says. Pure.

A stand-in stands for a container whose program is not here. Who talks to it learns who answered: over HTTP as JSON,
otherwise as the pod's name on a line of its own. Some paths, and some datagrams, are answered as `agnhost netexec` does
it, the server of Kubernetes' own network tests.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_HTTP_LINE = re.compile(rb"[A-Z][A-Z-]{0,19} \S+ HTTP/1\.[01]\r?\n")
_COULD_BECOME_HTTP = re.compile(rb"[A-Z][A-Z-]{0,19}( [^\r\n]*\r?)?")
LONGEST_REQUEST = 64 * 1024  # bytes, without a body


@dataclass(frozen=True)
class Identity:
    """Who answers."""

    pod: str
    namespace: str
    node: str
    container: str
    address: str
    hostname: str

    @property
    def line(self) -> bytes:
        """The answer to whatever is not HTTP."""
        return self.pod.encode() + b"\n"


@dataclass(frozen=True)
class Question:
    """An HTTP request, as far as the answer repeats it."""

    client: tuple[str, int]
    local: tuple[str, int]  # the address and port that the connection came to
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
    if len(received) < LONGEST_REQUEST and _COULD_BECOME_HTTP.fullmatch(received):
        return Protocol.UNDECIDED
    return Protocol.OTHER


@dataclass(frozen=True)
class Answer:
    """What an HTTP request is answered with."""

    content_type: str
    content: bytes


def answer(who: Identity, asked: Question) -> Answer:
    """The answer to an HTTP request: JSON, but for the paths that agnhost knows."""
    path, _, query = asked.path.partition("?")
    text = {
        "/hostname": who.hostname,
        "/hostName": who.hostname,
        "/clientip": written(asked.client),
        "/healthz": "",
        "/echo": "".join(parse_qs(query).get("msg", ())[:1]),
    }.get(path)
    if text is None:
        return Answer("application/json", body(who, asked))
    return Answer("text/plain; charset=utf-8", text.encode())


def datagram(who: Identity, client: tuple[str, int], received: bytes) -> bytes:
    """The answer to a datagram: the pod's name, but for the commands that agnhost knows."""
    command, _, rest = received.strip().partition(b" ")
    known = {b"hostname": who.hostname.encode(), b"clientip": written(client).encode(), b"echo": rest.strip()}
    return known.get(command.lower(), who.pod.encode())


def written(address: tuple[str, int]) -> str:
    """An address and its port as one word."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def body(who: Identity, asked: Question) -> bytes:
    """The JSON that answers an HTTP request."""
    told = {
        "pod": who.pod,
        "namespace": who.namespace,
        "node": who.node,
        "container": who.container,
        "hostname": who.hostname,
        "address": who.address,
        "port": asked.local[1],
        "local": {"address": asked.local[0], "port": asked.local[1]},
        "client": {"address": asked.client[0], "port": asked.client[1]},
        "method": asked.method,
        "path": asked.path,
        "host": asked.host,
    }
    return json.dumps(told).encode() + b"\n"
