"""Which open connections are judged anew, when, and by which packets."""

from __future__ import annotations

import pytest
from network_model import network_of, pod
from test_policy_stages import CLIENT, WEB, isolate, tier

from controller.checksums import ETHERNET_BYTES, internet
from controller.denials import connection_of
from controller.diff import Change
from controller.marks import Source
from controller.open_connections import (
    AT_ONCE_S,
    FRAME_BYTES,
    LATER_S,
    Connection,
    Place,
    connections_in,
    counted,
    datagram,
    moments,
)
from k8sshim.policies import Namespace, Policy

pytestmark = pytest.mark.unit
COUNTS = """Connections Stats:
    Total: 21
  TCP: 5
  UDP: 12
  ICMP: 4
"""
TABLE = """\
icmp,orig=(src=10.244.1.6,dst=203.0.113.2,id=134,type=8,code=0),reply=(src=203.0.113.2,dst=172.30.0.2,id=134,type=0,code=0),zone=1
udp,orig=(src=10.244.1.2,dst=10.96.0.10,sport=55278,dport=53),reply=(src=10.244.2.4,dst=10.244.1.2,sport=9000,dport=55278),zone=1,mark=1,labels=0x6329682f
tcp,orig=(src=10.244.1.2,dst=10.244.2.4,sport=45819,dport=80),reply=(src=10.244.2.4,dst=10.244.1.2,sport=80,dport=45819),zone=1,protoinfo=(state=ESTABLISHED)
udp,orig=(src=172.30.0.3,dst=10.244.1.3,sport=1,dport=65535),reply=(src=10.244.1.3,dst=172.30.0.3,sport=65535,dport=1),zone=1,mark=12
udp,orig=(src=fd00::1,dst=fd00::2,sport=1,dport=2),reply=(src=fd00::2,dst=fd00::1,sport=2,dport=1),zone=1
"""
ASKING = Connection("10.244.1.2", "10.96.0.10", 55278, 53)
PLACE = Place("b1", 1, ("10.244.1.0/24", "fd00:1::/64"), ("172.30.0.2",))


def test_what_open_vswitch_tells_is_read() -> None:
    assert [counted(COUNTS, what) for what in ("Total", "TCP", "UDP", "SCTP")] == [21, 5, 12, 0]
    assert counted("", "Total") == 0
    assert connections_in(TABLE) == [ASKING, Connection("172.30.0.3", "10.244.1.3", 1, 65535)]
    assert connections_in("") == []


def test_a_packet_looks_like_the_clients() -> None:
    frame = datagram(ASKING)
    assert len(frame) == FRAME_BYTES
    assert connection_of(frame) == (17, "10.244.1.2", 55278, "10.96.0.10", 53)
    packet = frame[ETHERNET_BYTES:]
    assert internet(packet[:20]) == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet)
    assert packet[24:] == bytes((0, 8, 0, 0)), "its length, and no checksum"
    assert packet[8] > 1, "it is routed"


def test_clients_enter_a_bridge_where_they_are() -> None:
    found = {one: PLACE.source_of(one) for one in ("10.244.1.77", "172.30.0.2", "172.30.0.3", "10.244.2.2", "8.8.8.8")}
    assert list(found.values()) == [Source.POD, Source.NODE, Source.UPLINK, Source.UPLINK, Source.UPLINK]
    others = [ASKING._replace(client="10.244.2.2", port=port) for port in (1, 2)]
    assert PLACE.by_source([ASKING, *others]) == {Source.POD: [ASKING], Source.UPLINK: others}


def change(before: list[Policy], after: list[Policy]) -> Change:
    """What a change of policies sends to the web pod's bridge."""
    made, changes = network_of(2, Namespace("default", ()), WEB, CLIENT, pod("other", 2, 9)), Change()
    made.put(*before)
    for one in before:
        if one not in after:
            changes.add(made.desired.put(one.kind, one.key, None).get(1, Change()))
    for one in after:
        changes.add(made.desired.put(one.kind, one.key, one).get(1, Change()))
    return changes


CLOSED, OPEN = isolate("ingress"), isolate("ingress", {})
PASS = tier("Admin", "ingress", ("Pass", None))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [CLOSED], {AT_ONCE_S}),
        ([CLOSED], [], {LATER_S}),
        ([CLOSED], [OPEN], {LATER_S}),
        ([OPEN], [CLOSED], {AT_ONCE_S}),
        ([], [tier("Admin", "egress", ("Deny", None))], {AT_ONCE_S}),
        ([], [PASS], {AT_ONCE_S, LATER_S}),
        ([CLOSED], [CLOSED], set()),
    ],
)
def test_what_closes_is_judged_before_what_opens(
    before: list[Policy], after: list[Policy], expected: set[float]
) -> None:
    assert moments(change(before, after)) == expected
    assert max(expected, default=0) <= LATER_S and AT_ONCE_S < LATER_S


def test_pods_that_come_and_go_change_no_verdicts() -> None:
    made = network_of(2)
    assert moments(made.desired.put("Pod", WEB.key, WEB)[1]) == set()
    assert moments(made.desired.put("Pod", WEB.key, None)[1]) == set()
