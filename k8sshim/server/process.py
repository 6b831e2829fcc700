"""The server put together: store, read and write halves, the HTTP daemon, and its orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from k8sshim import credentials as names
from k8sshim import validation
from k8sshim.errors import BadInput
from k8sshim.kinds import find
from k8sshim.objects import Key, Raw
from k8sshim.store import ALL, Store

from . import app
from .auth import Authenticated, CertificateProtocol
from .lifecycle import Lifecycle
from .reads import Reader
from .routing import Target
from .selection import fields_of
from .services import ServiceDefaults
from .status import ApiError
from .writes import Chance, Writer

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_KEEP_ALIVE_S = 120  # components and kubectl keep their connections; a new one costs a TLS handshake
_GRACE_S = 1


def serve(
    *,
    store: Path,
    credentials: Path,
    service_cidrs: Sequence[str],
    bootstrap: Sequence[Raw],
    sockets: list[socket.socket],
) -> None:
    """Serve until SIGTERM. Raises BadInput where the store or the bootstrap objects are bad."""
    opened = Store.open(store, fields_of)
    try:
        asyncio.run(_serve(opened, credentials, service_cidrs, bootstrap, sockets))
    finally:
        opened.close()


async def _serve(
    store: Store,
    credentials: Path,
    service_cidrs: Sequence[str],
    bootstrap: Sequence[Raw],
    sockets: list[socket.socket],
) -> None:
    lifecycle = Lifecycle(store, _now, asyncio.get_running_loop().call_soon)
    store.subscribe(ALL, lifecycle.on_event)
    services = ServiceDefaults(service_cidrs, store)
    chance = Chance(_now, lambda: str(uuid.uuid4()))
    writer = Writer(store, services, lifecycle, chance, validation.problems)
    _create_absent(store, writer, bootstrap)
    lifecycle.resume()
    reader = Reader(store, _now)
    token = (credentials / names.TOKEN).read_text()
    application = Authenticated(app.create(app.Api(reader, writer)), token)
    await _Server(_config(application, credentials), reader.end_watches).serve(sockets=sockets)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _create_absent(store: Store, writer: Writer, objects: Sequence[Raw]) -> None:
    for raw in [*map(_namespace, _NAMESPACES), *objects]:
        target = _target(raw)
        if store.get(target.resource, target.key) is None:
            try:
                writer.create(Target(target.kind, target.namespace), raw, keep_status=True)
            except ApiError as error:
                raise BadInput.of(str(error), file="--bootstrap") from error


def _namespace(name: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}}


def _target(raw: Raw) -> Target:
    kind = find(str(raw.get("apiVersion")), str(raw.get("kind")))
    key = Key.of(raw)
    if kind is None or not kind.stored or not key.name:
        raise BadInput.of("has no known apiVersion and kind, or no name", file="--bootstrap", object=str(key))
    return Target(kind, (key.namespace or "default") if kind.namespaced else "", key.name)


def _config(application: ASGIApp, credentials: Path) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=CertificateProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=credentials / names.SERVER_CERTIFICATE,
        ssl_keyfile=str(credentials / names.SERVER_KEY),
        ssl_ca_certs=str(credentials / names.CA_CERTIFICATE),
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


class _Server(uvicorn.Server):
    """uvicorn, ending the watches before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, end_watches: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_watches = end_watches

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_watches()
        await super().shutdown(sockets)
