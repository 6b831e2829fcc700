"""Answers to packets that switches hand up because they cannot be delivered: ICMP errors, at a limited rate."""

from __future__ import annotations

from collections.abc import Callable

from k8sshim.cluster import Cluster, Switch

from .desired import Desired
from .encode import Encoder
from .features.classifier import entry_marks
from .icmp import Packet, error_frame, problem
from .intents import first_address, is_ipv4
from .marks import CONTENT_BITS, OBJECT_BITS, Feature, Source, hairpin_zone_of, zone_of
from .tables import CONNTRACK, FABRIC_ROUTING

RATE, BURST = 200.0, 200.0  # answers a second and switch


class Bucket:
    """A token bucket: `RATE` a second, `BURST` at once."""

    def __init__(self, now: float) -> None:
        self._tokens, self._at = BURST, now

    def take(self, now: float) -> bool:
        """Whether one more is allowed."""
        self._tokens, self._at = min(BURST, self._tokens + (now - self._at) * RATE), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Answers:
    """Knows what address a switch answers from, and how often."""

    def __init__(self, desired: Desired, encoder: Encoder, clock: Callable[[], float]) -> None:
        self._desired, self._encoder, self._clock = desired, encoder, clock
        self._buckets: dict[int, Bucket] = {}

    def to(self, dpid: int, cookie: int, in_port: int, frame: bytes) -> bytes | None:
        """The message that answers a packet which a flow handed up; None where there is nothing to say."""
        cluster, packet = self._desired.cluster, Packet.parse(frame)
        switch = self._desired.switch(dpid)
        if cluster is None or packet is None or switch is None:
            return None
        sender = self._sender(cluster, switch, in_port)
        if not sender or not self._buckets.setdefault(dpid, Bucket(self._clock())).take(self._clock()):
            return None
        networks = (*cluster.pod_cidrs, *cluster.service_cidrs, *cluster.node_cidrs)
        feature = Feature(cookie >> (OBJECT_BITS + CONTENT_BITS))
        what = problem(feature, packet.destination, tuple(filter(is_ipv4, networks)))
        return self._send(switch, error_frame(packet, what, sender))

    def _send(self, switch: Switch, frame: bytes) -> bytes:
        """Through conntrack, which translates an error about a translated packet; and routed as everything is."""
        if not switch.node:
            return self._encoder.packet_out(frame, (), FABRIC_ROUTING)
        zone = zone_of(switch.dpid)
        marks = entry_marks(Source.CONTROLLER, zone, hairpin_zone_of(zone))
        return self._encoder.packet_out(frame, marks, CONNTRACK)

    def _sender(self, cluster: Cluster, switch: Switch, in_port: int) -> str:
        """Routers answer from the interface the packet came in by: the gateway of its network.

        On the fabric's side a node bridge has its node's address. Fabric switches have none: they use nodes' gateway.
        """
        gateway = next((first_address(cidr) for cidr in cluster.node_cidrs if is_ipv4(cidr)), "")
        node = self._desired.node(switch.node) if switch.node else None
        if node is None or in_port == switch.node_port:
            return gateway
        if in_port in self._desired.uplinks(switch.name):
            return next(filter(is_ipv4, node.addresses), gateway)
        return next((first_address(cidr) for cidr in node.pod_cidrs if is_ipv4(cidr)), gateway)
