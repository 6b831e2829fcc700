"""Who may speak to the API: whoever has the lab's token, or a client certificate of the lab's own authority.

TLS has checked a certificate by the time a connection exists (`ssl.CERT_OPTIONAL`); uvicorn keeps it to itself, so the
protocol class here puts it into the connection's state, from where every request of the connection has it.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .responses import status_response
from .status import unauthorized

_SUBJECT = "client-certificate"


class CertificateProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, telling the application whose certificate the connection has shown."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        certificate = transport.get_extra_info("peercert")
        if certificate:
            self.app_state = {**self.app_state, _SUBJECT: certificate["subject"]}
        super().connection_made(transport)


class Authenticated:
    """Lets a request through to the application, or answers it with 401."""

    def __init__(self, application: ASGIApp, token: str) -> None:
        self._application = application
        self._authorization = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._known(scope):
            await self._application(scope, receive, send)
        else:
            await status_response(unauthorized().status)(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        if _SUBJECT in (scope.get("state") or {}):
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(given, self._authorization)
