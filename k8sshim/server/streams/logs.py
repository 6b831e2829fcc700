"""`pods/NAME/log`: what a container has said, and what it says from now on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response, StreamingResponse

from k8sshim.objects import Raw
from k8sshim.server.routing import Target
from k8sshim.server.status import bad_request

from .nodes import Nodes, container_of

_TRUE = ("true", "1")
_CHUNK = 64 * 1024
_NUMBERS = ("tailLines", "sinceSeconds", "limitBytes")


async def answer(nodes: Nodes, target: Target, query: Mapping[str, str]) -> Response:
    """The log as plain text. Raises ApiError 400, 404, 500."""
    pod = nodes.pod(target)
    asked: Raw = {"do": "log", "container": container_of(pod, query.get("container") or "")}
    asked |= {name: query.get(name) in _TRUE for name in ("follow", "previous", "timestamps")}
    asked |= {name: _number(name, query[name]) for name in _NUMBERS if query.get(name)}
    asked["sinceTime"] = query.get("sinceTime") or ""
    reader, writer = await nodes.ask(pod, asked)
    return StreamingResponse(_text(reader, writer), media_type="text/plain")


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f"{name} is {text!r}, expected a number of 0 or more")
    return int(text)


async def _text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    try:
        while data := await reader.read(_CHUNK):
            yield data
    finally:
        writer.close()
