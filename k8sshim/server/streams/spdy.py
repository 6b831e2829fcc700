"""As much of SPDY/3.1 as Kubernetes' clients speak: streams with headers, data both ways, pings. Pure.

https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/; like github.com/moby/spdystream, which those
clients use, it knows no flow control. Written here because no kept Python library has it: the newest is of 2021.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .spdy_dictionary import DICTIONARY

_VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 0x01
_HEAD = struct.Struct("!II")
_CANCEL = 5


@dataclass(frozen=True)
class Opened:
    """The other side opened a stream."""

    stream: int
    headers: Mapping[str, str]
    finished: bool  # it says nothing on it


@dataclass(frozen=True)
class Data:
    """The other side said something, or its last word."""

    stream: int
    data: bytes
    finished: bool


@dataclass(frozen=True)
class Reset:
    """The other side gave a stream up."""

    stream: int


@dataclass(frozen=True)
class Answer:
    """What must be sent back as it is."""

    frame: bytes


class Session:
    """One connection, as the side that did not begin it. Raises ValueError for what is no SPDY."""

    def __init__(self) -> None:
        self._received = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Opened | Data | Reset | Answer]:
        """What the other side says, as far as it has come."""
        self._received += data
        while len(self._received) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._received)
            flags, length = second >> 24, second & 0xFFFFFF
            if len(self._received) < _HEAD.size + length:
                return
            body = self._received[_HEAD.size : _HEAD.size + length]
            self._received = self._received[_HEAD.size + length :]
            if first >> 31:
                yield from self._control(first, flags, body)
            else:
                yield Data(first, body, bool(flags & _FIN))

    def _control(self, first: int, flags: int, body: bytes) -> Iterator[Opened | Reset | Answer]:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != _VERSION:
            raise ValueError(f"SPDY version {version} is not spoken here")
        if kind == _SYN_STREAM:
            [stream] = struct.unpack_from("!I", body)
            yield Opened(stream & 0x7FFFFFFF, self._headers(body[10:]), bool(flags & _FIN))
        elif kind == _RST_STREAM:
            yield Reset(struct.unpack_from("!I", body)[0] & 0x7FFFFFFF)
        elif kind == _PING:
            yield Answer(_control_frame(_PING, 0, body))

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block)
            [count] = struct.unpack_from("!I", plain)
            at, texts = 4, []
            for _ in range(2 * count):
                [length] = struct.unpack_from("!I", plain, at)
                texts.append(plain[at + 4 : at + 4 + length].decode("latin-1"))
                at += 4 + length
        except (zlib.error, struct.error) as error:
            raise ValueError(f"headers cannot be read: {error}") from error
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def reply(self, stream: int) -> bytes:
        """Accept a stream."""
        block = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control_frame(_SYN_REPLY, 0, struct.pack("!I", stream) + block)

    @staticmethod
    def data(stream: int, data: bytes, *, finished: bool = False) -> bytes:
        return _HEAD.pack(stream, (_FIN if finished else 0) << 24 | len(data)) + data

    @staticmethod
    def reset(stream: int) -> bytes:
        return _control_frame(_RST_STREAM, 0, struct.pack("!II", stream, _CANCEL))


def _control_frame(kind: int, flags: int, body: bytes) -> bytes:
    return _HEAD.pack(1 << 31 | _VERSION << 16 | kind, flags << 24 | len(body)) + body
