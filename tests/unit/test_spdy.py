"""SPDY as Kubernetes' clients speak it, against frames made by its specification."""

from __future__ import annotations

import struct
import zlib

import pytest

from k8sshim.server.streams.spdy import Answer, Data, Opened, Reset, Session
from k8sshim.server.streams.spdy_dictionary import DICTIONARY

pytestmark = pytest.mark.unit


def control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!HHI", 0x8003, kind, flags << 24 | len(body)) + body


class Client:
    """The other side's compression."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, **headers: str) -> bytes:
        words = [struct.pack("!I", len(headers))]
        for text in (part for pair in headers.items() for part in pair):
            words.append(struct.pack("!I", len(text)) + text.encode())
        block = self._deflate.compress(b"".join(words)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack("!IIH", stream, 0, 0) + block)


def test_streams_open_speak_and_end_however_the_bytes_come() -> None:
    client, session = Client(), Session()
    said = client.open(1, streamtype="error", port="80") + client.open(3, streamtype="data", port="80")
    said += struct.pack("!II", 3, 5) + b"hello" + struct.pack("!II", 3, 1 << 24) + control(3, struct.pack("!II", 1, 5))
    events = [event for byte in said for event in session.feed(bytes((byte,)))]
    assert events == [
        Opened(1, {"streamtype": "error", "port": "80"}, False),
        Opened(3, {"streamtype": "data", "port": "80"}, False),
        Data(3, b"hello", False),
        Data(3, b"", True),
        Reset(1),
    ]


def test_pings_come_back_and_replies_can_be_read() -> None:
    session = Session()
    ping = control(6, struct.pack("!I", 7))
    assert list(session.feed(ping)) == [Answer(ping)]
    reply = session.reply(5)
    assert struct.unpack("!HHI", reply[:8])[:2] == (0x8003, 2)
    assert zlib.decompressobj(zdict=DICTIONARY).decompress(reply[12:]) == struct.pack("!I", 0)
    assert session.data(5, b"x", finished=True) == struct.pack("!II", 5, 1 << 24 | 1) + b"x"


@pytest.mark.parametrize("data", [struct.pack("!HHI", 0x8002, 1, 0), control(1, struct.pack("!IIH", 1, 0, 0) + b"x")])
def test_what_is_no_spdy_3(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"SPDY|headers"):
        list(Session().feed(data))
