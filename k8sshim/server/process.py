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
from k8sshim import pki, validation
from k8sshim.cluster import NODE_PORTS
from k8sshim.errors import BadInput
from k8sshim.kinds import find
from k8sshim.objects import Key, Raw
from k8sshim.store import ALL, Store

from . import app, kubernetes_service, own_roles
from .auth import Authenticated, CertificateProtocol
from .documents import Documents
from .evictions import Evictions
from .lifecycle import Lifecycle
from .metrics import Metrics
from .rbac import Authorizer
from .reads import Reader
from .reviews import Reviews
from .routing import Target
from .selection import fields_of
from .served import Served
from .services import ServiceAllocator
from .status import ApiError
from .streams.nodes import Nodes
from .tokens import Tokens
from .writes import Chance, Writer

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_KEEP_ALIVE_S = 120  # components and kubectl keep their connections; a new one costs a TLS handshake
_GRACE_S = 1
_TIDY_INTERVAL_S = 60.0


def serve(
    *,
    store: Path,
    credentials: Path,
    service_cidrs: Sequence[str],
    bootstrap: Sequence[Raw],
    sockets: list[socket.socket],
    node_ports: tuple[int, int] = NODE_PORTS,
    rbac: bool = False,
) -> None:
    """Serve until SIGTERM. Raises BadInput where the store or the bootstrap objects are bad."""
    opened = Store.open(store, fields_of)
    try:
        services = ServiceAllocator(service_cidrs, opened, node_ports)
        asyncio.run(_serve(opened, services, credentials, bootstrap, sockets, rbac=rbac))
    finally:
        opened.close()


async def _serve(
    store: Store,
    services: ServiceAllocator,
    credentials: Path,
    bootstrap: Sequence[Raw],
    sockets: list[socket.socket],
    *,
    rbac: bool,
) -> None:
    loop = asyncio.get_running_loop()
    served = Served()
    lifecycle = Lifecycle(store, _now, loop.call_soon, served.by_storage_name)
    served.follow(store, lifecycle.delete_all)
    store.subscribe(ALL, lifecycle.on_event)
    chance = Chance(_now, lambda: str(uuid.uuid4()))
    writer = Writer(store, services, lifecycle, chance, validation.problems)
    _create_absent(store, writer, [*(own_roles.objects() if rbac else ()), *bootstrap])
    control_plane = kubernetes_service.control_plane_of(bootstrap)
    if control_plane:
        address = services.first_address
        kubernetes_service.keep(store, writer, loop.call_soon, service_address=address, control_plane=control_plane)
    lifecycle.resume()
    _again_and_again(loop, lifecycle.expire_events)
    reader = Reader(store, _now)
    token = (credentials / names.TOKEN).read_text()
    tokens = Tokens(store, pki.token_key(credentials), chance)
    evictions = Evictions(store, lifecycle, _now)
    reviews = Reviews(Authorizer(store, enabled=rbac), lambda text: guard.of_token(text.encode()))
    documents = Documents(lambda: served.kinds, lambda: served.schemas)
    nodes = Nodes(store)
    metrics = Metrics(store, nodes, _now)
    api = app.Api(reader, writer, tokens, documents, served, reviews, metrics, nodes, evictions)
    guard = Authenticated(app.create(api), token, tokens.user_of, reviews.authorizer)
    await _Server(_config(guard, credentials), reader.end_watches).serve(sockets=sockets)


def _again_and_again(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    act()
    loop.call_later(_TIDY_INTERVAL_S, _again_and_again, loop, act)


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
        ws="wsproto",
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
