"""Answers to packets that switches hand up because they cannot be delivered: ICMP errors, at a limited rate."""

from __future__ import annotations

from collections.abc import Callable

from k8sshim.cluster import Cluster, Switch

from .addresses import first_address, is_ipv4
from .desired import Desired
from .encode import Encoder
from .features.classifier import entry_marks
from .icmp import Packet, error_frame, problem
from .limits import Bucket
from .marks import Source, feature_of, source_zone_of, zone_of
from .tables import CONNTRACK, FABRIC_ROUTING

RATE, BURST = 200.0, 200.0  # answers a second and switch


class Answers:
    """Knows what address a switch answers from, and how often."""

    def __init__(self, desired: Desired, encoder: Encoder, clock: Callable[[], float]) -> None:
        self._desired, self._encoder, self._clock = desired, encoder, clock
        self._buckets: dict[int, Bucket] = {}

    def to(self, dpid: int, cookie: int, in_port: int, frame: bytes, mtu: int = 0) -> bytes | None:
        """The message that answers a packet which a flow handed up; None where there is nothing to say.

        `mtu` is what the way ahead carries, in bytes, where the packet is too large.
        """
        cluster, packet, feature = self._desired.cluster, Packet.parse(frame), feature_of(cookie)
        switch = self._desired.switch(dpid)
        if cluster is None or packet is None or switch is None or feature is None:
            return None
        sender = self._sender(cluster, switch, in_port)
        if not sender or not self._buckets.setdefault(dpid, Bucket(RATE, BURST, self._clock())).take(self._clock()):
            return None
        inside = (*cluster.pod_cidrs, *cluster.service_cidrs, *cluster.node_cidrs, *cluster.load_balancer_cidrs)
        networks = (*inside, *cluster.outside_cidrs)
        what = problem(feature, packet.destination, tuple(filter(is_ipv4, networks)), mtu)
        return self._send(switch, error_frame(packet, what, sender))

    def _send(self, switch: Switch, frame: bytes) -> bytes:
        """Through conntrack, which translates an error about a translated packet; and routed as everything is."""
        if not switch.node:
            return self._encoder.packet_out(frame, (), FABRIC_ROUTING)
        zone = zone_of(switch.dpid)
        marks = entry_marks(Source.CONTROLLER, zone, source_zone_of(zone))
        return self._encoder.packet_out(frame, marks, CONNTRACK)

    def _sender(self, cluster: Cluster, switch: Switch, in_port: int) -> str:
        """Routers answer from the interface the packet came in by: the gateway of its network.

        On the fabric's side a node bridge has its node's address, the border its own in the outside host's network.
        Fabric switches have none: they use nodes' gateway.
        """
        hosts = [host for host in cluster.hosts if host.switch == switch.name]
        if hosts:
            return next((host.gateway for host in hosts if host.port == in_port), hosts[0].gateway)
        gateway = next((first_address(cidr) for cidr in cluster.node_cidrs if is_ipv4(cidr)), "")
        node = self._desired.node(switch.node) if switch.node else None
        if node is None or in_port == switch.node_port:
            return gateway
        if in_port in (*self._desired.uplinks(switch.name), switch.overlay_port):
            return next(filter(is_ipv4, node.addresses), gateway)
        return next((first_address(cidr) for cidr in node.pod_cidrs if is_ipv4(cidr)), gateway)
