"""What iperf3 3.12 and irtt 0.9 said in real runs, read as values; their failures in their own words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import parse
from experiments.parse import ToolFailed

pytestmark = pytest.mark.unit

DATA = Path(__file__).with_name("data") / "traffic"


def said(name: str) -> str:
    return (DATA / name).read_text()


@pytest.mark.parametrize(("name", "rate"), [("iperf3-tcp-1.json", 1907.309), ("iperf3-tcp-4.json", None)])
def test_tcp_counts_what_arrived(name: str, rate: float | None) -> None:
    read = parse.throughput(said(name))
    received = json.loads(said(name))["end"]["sum_received"]
    assert read.mbit_per_s == pytest.approx(rate or received["bits_per_second"] / 1e6, rel=1e-6)
    assert read.loss_percent is None
    assert read.sent_bytes >= 100_000_000
    assert read.retransmits is not None


def test_udp_counts_what_arrived_and_what_the_receiver_missed() -> None:
    read = parse.throughput(said("iperf3-udp-1.json"))
    assert read.mbit_per_s == pytest.approx(173.464, rel=1e-5)
    assert read.loss_percent == pytest.approx(100 * 70 / 2607)
    lossy = parse.throughput(said("iperf3-udp-4-lossy.json"))
    assert lossy.loss_percent == pytest.approx(100 * 9934 / 13248)


def test_udp_of_an_iperf3_without_a_receiver_s_sum() -> None:
    """As iperf3 3.9 of Ubuntu 22.04 reports it."""
    report = json.loads(said("iperf3-udp-1.json"))
    del report["end"]["sum_received"], report["end"]["sum_sent"]
    read = parse.throughput(json.dumps(report))
    assert read.mbit_per_s == pytest.approx(190.5338 * (1 - 70 / 2740), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("iperf3-refused.json", "iperf3: unable to connect to server: Connection refused"),
        ("iperf3-timeout.json", "iperf3: unable to connect to server: "),
    ],
)
def test_iperf3_that_cannot_connect_says_why(name: str, message: str) -> None:
    with pytest.raises(ToolFailed, match=message):
        parse.throughput(said(name), "", 1)


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "message"),
    [
        ("", "", 124, r"iperf3: no report \(exit code 124\)"),
        (
            "",
            "env: iperf3: No such file or directory\n",
            127,
            r"iperf3: no report: env: iperf3: No such .* \(exit code 127\)",
        ),
        ("[1]", "", 0, "iperf3: no report"),
        ('{"start": {}, "end": {}}', "", 0, "iperf3: its report lacks 'test_start'"),
        ("iperf3: parameter error", "", 0, "iperf3: no report: iperf3: parameter error"),
    ],
)
def test_iperf3_without_a_report_is_a_failure(stdout: str, stderr: str, code: int, message: str) -> None:
    with pytest.raises(ToolFailed, match=message):
        parse.throughput(stdout, stderr, code)


def test_tcp_of_which_nothing_arrived_is_a_failure() -> None:
    report = json.loads(said("iperf3-tcp-1.json"))
    report["end"]["sum_received"] |= {"bytes": 0, "bits_per_second": 0}
    with pytest.raises(ToolFailed, match="nothing arrived"):
        parse.throughput(json.dumps(report))


def test_udp_of_which_nothing_arrived_is_a_failure() -> None:
    report = json.loads(said("iperf3-udp-1.json"))
    report["end"]["sum_received"] |= {"packets": 0, "bits_per_second": 0}
    with pytest.raises(ToolFailed, match="nothing arrived"):
        parse.throughput(json.dumps(report))


def test_latency_keeps_every_round_trip() -> None:
    read = parse.latency(said("irtt.json"))
    stats = json.loads(said("irtt.json"))["stats"]
    assert len(read.round_trips_us) == stats["packets_received"]
    assert sum(read.round_trips_us) == pytest.approx(stats["rtt"]["total"] / 1000)
    assert read.lost == stats["packets_sent"] - stats["packets_received"]


def test_requests_without_a_reply_are_counted() -> None:
    report = json.loads(said("irtt.json"))
    report["round_trips"][0] |= {"lost": "true", "delay": {}}
    assert parse.latency(json.dumps(report)).lost == parse.latency(said("irtt.json")).lost + 1
    report["round_trips"] = report["round_trips"][:1]
    with pytest.raises(ToolFailed, match="irtt: no reply to 1 requests"):
        parse.latency(json.dumps(report))


@pytest.mark.parametrize(("name", "message"), [("refused", "connection refused"), ("silent", "no reply from server")])
def test_irtt_that_cannot_connect_says_why(name: str, message: str) -> None:
    with pytest.raises(ToolFailed, match=rf"irtt: no report: .*{message} \(exit code 1\)"):
        parse.latency("", said(f"irtt-{name}.err"), 1)
