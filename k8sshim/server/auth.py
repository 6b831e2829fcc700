"""Who may speak to the API: whoever has the lab's token, a ServiceAccount's, or a client certificate of the lab's own
authority.

TLS has checked a certificate by the time a connection exists (`ssl.CERT_OPTIONAL`); uvicorn keeps it to itself, so the
protocol class here puts it into the connection's state, from where every request of the connection has it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .impersonation import acting
from .rbac import AUTHENTICATED, MASTERS, Authorizer, User
from .responses import status_response
from .status import ApiError, unauthorized
from .streams.sockets import deny
from .streams.upgrade import CONNECTION

USER = "user"  # in a request's state
_SUBJECT = "client-certificate"
_OWNER = "podwire-admin"


class CertificateProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, telling the application whose certificate the connection has shown.

    The application has the object itself too, to take over a connection that becomes another protocol's.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        certificate = transport.get_extra_info("peercert")
        self.app_state = {**self.app_state, CONNECTION: self}
        if certificate:
            self.app_state[_SUBJECT] = certificate["subject"]
        super().connection_made(transport)


class Authenticated:
    """Lets a request through to the application, or answers it with 401."""

    def __init__(
        self, application: ASGIApp, token: str, user_of: Callable[[str], User | None], authorizer: Authorizer
    ) -> None:
        """`token` is the lab's own; `user_of` tells whose any other is; `authorizer`, who may act as whom."""
        self._application = application
        self._authorizer = authorizer
        self._token = token.encode()
        self._user_of = user_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            try:
                scope.setdefault("state", {})[USER] = self._user(scope)
            except ApiError as error:
                await _refuse(error, scope, receive, send)
                return
        await self._application(scope, receive, send)

    def _user(self, scope: Scope) -> User:
        """Who a request is to be taken for. Raises ApiError 401, 403."""
        user = self.identify(scope)
        if user is None:
            raise unauthorized()
        return acting(user, scope["headers"], self._authorizer)

    def identify(self, scope: Scope) -> User | None:
        """Who a request is from."""
        subject = (scope.get("state") or {}).get(_SUBJECT)
        if subject:
            return _of_certificate(subject)
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self.of_token(token)

    def of_token(self, token: bytes) -> User | None:
        """Who a bearer token is of."""
        if hmac.compare_digest(token, self._token):
            return User(_OWNER, (MASTERS, AUTHENTICATED))
        return self._user_of(token.decode("latin-1"))


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    answer = status_response(error.status)
    if scope["type"] == "websocket":
        await deny(WebSocket(scope, receive, send), answer)
    else:
        await answer(scope, receive, send)


def _of_certificate(subject: Iterable[Iterable[tuple[str, str]]]) -> User:
    """A certificate's common name is the user, its organizations are the groups."""
    parts = [pair for part in subject for pair in part]
    names = [value for name, value in parts if name == "commonName"]
    groups = [value for name, value in parts if name == "organizationName"]
    return User(names[0] if names else _OWNER, (*groups, AUTHENTICATED))
