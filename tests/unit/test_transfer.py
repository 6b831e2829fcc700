"""What tools and kernel say of packets' sizes and counts, as values; and what a run that sweeps its cluster tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_results import RUN

from experiments import capture, counting, path_mtu, trust
from experiments.parse import ToolFailed
from experiments.path_mtu import PathMtu, Tried
from experiments.planning import shuffled
from experiments.results import Run, Sample, labels
from experiments.transfer import figures

pytestmark = pytest.mark.unit

SNMP = """\
Ip: Forwarding InReceives FragCreates
Ip: 1 {} {}
Tcp: OutSegs RetransSegs MaxConn
Tcp: {} {} -1
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame multicast|bytes    packets errs drop
  eth0: 1000 {} 0 0 0 0 0 0 2000 9 0 0 0 0 0 0
"""


def test_counters_of_a_namespace() -> None:
    before, after = (counting.parse(SNMP.format(*values)) for values in ((5, 0, 7, 1, 10), (25, 3, 17, 2, 110)))
    assert after.since(before, "Ip.FragCreates") == 3
    assert after.since(before, "Tcp.RetransSegs") == 1
    assert after.since(before, "eth0.rx_packets") == 100
    assert after.since(before, "Nothing.Such") == 0


def path(carries: int, tells: int | None) -> Callable[[int], Tried]:
    return lambda size: Tried(size <= carries, tells if size > carries else None)


@given(st.integers(68, 9000), st.integers(68, 9000))
def test_the_largest_packet_is_found(carries: int, most: int) -> None:
    for tells in (None, carries, 576):
        found = path_mtu.find(path(carries, tells), most)
        assert found.largest == min(carries, most)
        assert found.told is (tells is not None and carries < most)
        assert found.swallowed is (tells is None and carries < most)


def test_where_the_mtu_is_told_few_packets_are_sent() -> None:
    sent: list[int] = []

    def attempt(size: int) -> Tried:
        sent.append(size)
        return path(1450, 1450)(size)

    assert path_mtu.find(attempt, 9000) == PathMtu(1450, told=True, swallowed=False)
    assert sent == [9000, 1450, 1451]


def test_the_length_of_frames_is_that_of_those_that_carry_the_packets() -> None:
    line = "0:0:0 02 > 03, ethertype IPv4 (0x0800), length {}: 10.0.0.1 > 10.0.0.2: ICMP echo request, length 476"
    assert capture.of([line.format(size) for size in (98, 560, 560, 9000)]) == 560
    with pytest.raises(ToolFailed, match="no frame"):
        capture.of([line.format(98)])


def test_every_measure_is_taken_once_a_repetition() -> None:
    planned = shuffled(("throughput", "overhead"), 3, 1)
    assert sorted(planned) == [(r, what) for r in range(3) for what in ("overhead", "throughput")]
    assert planned == shuffled(("throughput", "overhead"), 3, 1)


def swept(overhead: int) -> Run:
    of = labels(path="pod-to-pod", locality="cross-node", by="iperf3")
    by_mode = {"flat": 0, "vxlan": overhead}
    samples = [
        Sample(metric, unit, value, repetition, (*of, ("network.mode", mode)))
        for repetition in range(2)
        for mode, added in by_mode.items()
        for metric, unit, value in (("throughput", "Mbit/s", 900.0 - added), ("overhead", "B", float(added)))
    ]
    spec = {"experiment": "transfer", "repetitions": 2, "sweep": {"network.mode": ["flat", "vxlan"]}}
    labs = {f"network.mode {mode}": {"computed_overhead": 50 if mode == "vxlan" else 0} for mode in by_mode}
    return replace(
        RUN,
        samples=tuple(samples),
        readings=(),
        scenario={**RUN.scenario, "spec": spec},
        environment={"lab": labs["network.mode flat"], "labs": labs, "left_out": {"network.mode gre": "no GRE"}},
    )


@pytest.mark.parametrize(("overhead", "same"), [(50, 2), (54, 1)])
def test_captured_overhead_stands_beside_the_computed(overhead: int, same: int) -> None:
    told = figures.story(swept(overhead))
    assert f"equals the computed in {same} of 2 labs" in " ".join(told.headline)
    assert told.tables[0].columns == ("mode", "throughput of TCP")
    assert [row[0] for row in told.tables[0].rows] == ["flat", "vxlan"]
    said = "because this machine cannot make them: network.mode gre (no GRE). podwire vm has a kernel that can."
    assert said in " ".join(trust.sentences(swept(50)))


def test_what_was_swept_is_drawn() -> None:
    assert [drawn.name for drawn, _ in figures.plots(swept(50))] == ["transfer", "sizes"]
