"""What a link between switches is like: the fields of `links`, and of one link of a graph or one uplink. Pure.

A field that is not given is None: on one link, `links` decides; there, a link is as fast as it can be. Bandwidths are
at most 1,000 Mbit/s, which is what Mininet shapes (`mininet.link.TCIntf`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from k8sshim.objects import Raw

from .fields import Fields

KINDS = ("auto", "veth", "patch")
MTU_RANGE = (500, 9000)
MAX_BANDWIDTH_MBIT = 1000
MAX_DELAY_MS = 10_000
MAX_QUEUE_PACKETS = 1_000_000


@dataclass(frozen=True)
class LinkSpec:
    """How a link treats what crosses it, the same in both directions."""

    bandwidth_mbit: float | None = None  # of Ethernet frames
    delay_ms: float | None = None
    jitter_ms: float | None = None  # around the delay
    loss_percent: float | None = None
    queue_packets: int | None = None
    mtu: int | None = None  # bytes

    @property
    def shaped(self) -> bool:
        """Whether packets are delayed, lost or held to a rate."""
        return any(value for name, value in vars(self).items() if name != "mtu")

    @property
    def needs_netem(self) -> str:
        """The first field that needs the kernel's netem; "" where none does."""
        names = ("delay_ms", "jitter_ms", "loss_percent", "queue_packets")
        return next((FIELDS[name] for name in names if getattr(self, name)), "")

    def over(self, usual: LinkSpec) -> LinkSpec:
        """This, and what is usual where nothing is said."""
        return replace(usual, **{name: value for name, value in vars(self).items() if value is not None})

    def to_raw(self) -> Raw:
        """The fields that are given."""
        return {FIELDS[name]: value for name, value in vars(self).items() if value is not None}


FIELDS = {
    "bandwidth_mbit": "bandwidthMbit",
    "delay_ms": "delayMs",
    "jitter_ms": "jitterMs",
    "loss_percent": "lossPercent",
    "queue_packets": "queuePackets",
    "mtu": "mtu",
}
PLAIN = LinkSpec()


@dataclass(frozen=True)
class Links:
    """The field `links`: how every link is made, and what it is like unless it says otherwise."""

    kind: str = "auto"
    usual: LinkSpec = PLAIN

    def to_raw(self) -> Raw:
        return {"kind": self.kind, **self.usual.to_raw()}


USUAL_LINKS = Links()


def parse_links(spec: Fields) -> Links:
    """The field `links`."""
    fields = spec.fields("links")
    links = Links(fields.choice("kind", KINDS, "auto"), parse_link(fields))
    fields.close()
    return links


def parse_link(fields: Fields) -> LinkSpec:
    """The fields of one link; the caller closes, and checks the link together with what is usual."""
    return LinkSpec(
        bandwidth_mbit=fields.number("bandwidthMbit", 0, MAX_BANDWIDTH_MBIT, above=True),
        delay_ms=fields.number("delayMs", 0, MAX_DELAY_MS),
        jitter_ms=fields.number("jitterMs", 0, MAX_DELAY_MS),
        loss_percent=fields.number("lossPercent", 0, 100),
        queue_packets=fields.optional_integer("queuePackets", 1, MAX_QUEUE_PACKETS),
        mtu=fields.optional_integer("mtu", *MTU_RANGE),
    )


def check_link(spec: Fields, field: str, own: LinkSpec, links: Links) -> None:
    """What one link may not be, together with what is usual."""
    link = own.over(links.usual)
    if own.jitter_ms and not link.delay_ms:
        spec.wrong(f"{field}.jitterMs", "needs delayMs: jitter is what a delay varies by")
    if links.kind == "patch" and own != PLAIN:
        name = next(iter(own.to_raw()))
        spec.wrong(f"{field}.{name}", "needs a veth: patch ports can neither be shaped nor have an MTU")
