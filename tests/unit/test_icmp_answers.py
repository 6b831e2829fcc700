"""The ICMP errors that the controller sends, and those that it must not send."""

from __future__ import annotations

import struct

import pytest
from network_model import cluster_of, node
from network_model import network_of as network_of_nodes

from controller import framework
from controller.answers import BURST, Answers
from controller.checksums import internet as checksum
from controller.encode import Encoder
from controller.icmp import Packet, Problem, error_frame, problem
from controller.marks import Feature, cookie

pytestmark = pytest.mark.unit
ENCODER = Encoder(framework.load("os-ken").protocol)
NETWORKS = ("10.244.0.0/16",)
TIME_EXCEEDED = cookie(Feature.TIME_EXCEEDED, "Cluster lab", "")


def frame(
    source: str = "10.244.1.2", destination: str = "10.244.2.2", protocol: int = 17, offset: int = 0, body: bytes = b""
) -> bytes:
    body = body or struct.pack("!HHHH", 40000, 53, 12, 0) + b"what"
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, offset, 1, protocol, 0) + addresses
    return bytes(12) + b"\x08\x00" + header + body


def answered(**how: object) -> bool:
    return Packet.parse(frame(**how)) is not None  # type: ignore[arg-type]


def test_an_error_quotes_the_packet_and_has_right_checksums() -> None:
    packet = Packet.parse(frame())
    assert packet is not None
    error = error_frame(packet, Problem(11, 0), "10.244.1.1")
    header, body = error[14:34], error[34:]
    assert checksum(header) == 0
    assert checksum(body) == 0
    assert (body[0], body[1]) == (11, 0)
    assert body[8:] == frame()[14:]
    assert (header[12:16], header[16:20]) == (bytes([10, 244, 1, 1]), bytes([10, 244, 1, 2]))


def test_an_error_is_no_longer_than_576_bytes() -> None:
    packet = Packet.parse(frame(body=bytes(1400)))
    assert packet is not None
    assert len(error_frame(packet, Problem(3, 1), "10.244.1.1")) - 14 == 576


@pytest.mark.parametrize(
    "how",
    [
        {"offset": 100},
        {"protocol": 1, "body": bytes([3, 1, 0, 0, 0, 0, 0, 0])},
        {"destination": "224.0.0.251"},
        {"source": "0.0.0.0"},
        {"source": "127.0.0.1"},
    ],
    ids=["later fragment", "about an error", "to multicast", "from nowhere", "from loopback"],
)
def test_no_error_is_sent(how: dict[str, object]) -> None:
    assert not answered(**how)


def test_pings_and_first_fragments_are_answered() -> None:
    assert answered(protocol=1, body=bytes([8, 0, 0, 0, 0, 0, 0, 0]))
    assert answered(offset=0x2000)


def test_frames_that_are_no_whole_packets_are_not_answered() -> None:
    assert Packet.parse(frame()[:30]) is None
    assert Packet.parse(bytes(60)) is None


@pytest.mark.parametrize(
    ("feature", "destination", "expected"),
    [
        (Feature.TIME_EXCEEDED, "10.244.2.2", Problem(11, 0)),
        (Feature.GATEWAY, "10.244.1.1", Problem(3, 3)),
        (Feature.UNREACHABLE, "10.244.9.9", Problem(3, 1)),
        (Feature.UNREACHABLE, "8.8.8.8", Problem(3, 0)),
    ],
)
def test_what_is_wrong(feature: Feature, destination: str, expected: Problem) -> None:
    assert problem(feature, destination, NETWORKS) == expected


def test_what_is_too_large_is_told_what_would_fit() -> None:
    too_large = problem(Feature.PATH_MTU, "10.244.2.2", NETWORKS, mtu=1450)
    packet = Packet.parse(frame())
    assert packet is not None
    body = error_frame(packet, too_large, "10.244.1.1")[34:]
    assert (body[0], body[1], struct.unpack("!H", body[6:8])[0]) == (3, 4, 1450)  # RFC 1191, 4
    assert checksum(body) == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("dpid", "in_port", "sender"),
    [(1, 18, "10.244.1.1"), (1, 1, "172.30.0.1"), (1, 2, "172.30.0.2"), (0x10001, 1, "172.30.0.1")],
    ids=["from a pod", "from the node", "from the fabric", "on a fabric switch"],
)
def test_the_sender_is_the_router_on_the_packets_side(dpid: int, in_port: int, sender: str) -> None:
    answers = Answers(network_of_nodes(2).desired, ENCODER, Clock())
    message = answers.to(dpid, TIME_EXCEEDED, in_port, frame())
    assert message is not None
    packet = Packet.parse(frame())
    assert packet is not None
    assert message.endswith(error_frame(packet, Problem(11, 0), sender))


def test_answers_are_limited_in_rate() -> None:
    clock = Clock()
    answers = Answers(network_of_nodes(2).desired, ENCODER, clock)
    sent = [answers.to(1, TIME_EXCEEDED, 18, frame()) is not None for _ in range(int(BURST) + 5)]
    assert sent.count(True) == BURST
    clock.now += 0.1
    assert answers.to(1, TIME_EXCEEDED, 18, frame()) is not None
    assert answers.to(2, TIME_EXCEEDED, 18, frame()) is not None


def test_unknown_switches_and_clusters_are_not_answered_for() -> None:
    network = network_of_nodes(2)
    answers = Answers(network.desired, ENCODER, Clock())
    assert answers.to(77, TIME_EXCEEDED, 18, frame()) is None
    network.remove(node(1))
    assert answers.to(1, TIME_EXCEEDED, 18, frame()) is not None  # the nodes' gateway will do
    network.remove(cluster_of(2))
    assert answers.to(1, TIME_EXCEEDED, 18, frame()) is None
