"""The server's side of an HTTP/1.1 connection to a stand-in: bytes in, bytes out. Pure, as h11 is."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11

from topo.agent.answers import LONGEST_REQUEST, Identity, Question, answer


@dataclass
class Conversation:
    """One connection: requests are read whole, bodies are thrown away, each is answered with 200."""

    who: Identity
    client: tuple[str, int]
    local: tuple[str, int]
    leaving: bool = False  # the next answer is the last
    _http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER, LONGEST_REQUEST))
    _request: h11.Request | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is on its way."""
        return self._http.their_state is h11.IDLE

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """What to send in answer to `data` (empty at the end of the stream), and whether to close then."""
        sent: list[bytes] = []
        try:
            self._http.receive_data(data)
            closing = self._advance(sent)
        except h11.RemoteProtocolError as error:
            sent.append(self._refuse(error.error_status_hint))
            closing = True
        return b"".join(sent), closing

    def _advance(self, sent: list[bytes]) -> bool:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    sent.append(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                return False
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                sent.append(self._answer(self._request))
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return True
                self._http.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return True

    def _answer(self, request: h11.Request) -> bytes:
        host = next((value for name, value in request.headers if name == b"host"), b"")
        method, path = request.method.decode("latin-1"), request.target.decode("latin-1")
        told = answer(self.who, Question(self.client, self.local, method, path, host.decode("latin-1")))
        headers = [("Content-Type", told.content_type), ("Content-Length", str(len(told.content)))]
        if self.leaving:
            headers.append(("Connection", "close"))
        parts = [self._http.send(h11.Response(status_code=200, headers=headers, reason=b"OK"))]
        if method != "HEAD":
            parts.append(self._http.send(h11.Data(data=told.content)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part or b"" for part in parts)

    def _refuse(self, status: int) -> bytes:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b""
        response = h11.Response(status_code=status, headers=[("Content-Length", "0"), ("Connection", "close")])
        return b"".join(self._http.send(event) or b"" for event in (response, h11.EndOfMessage()))
