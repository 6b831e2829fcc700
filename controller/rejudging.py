"""Has open UDP connections judged anew when verdicts change: a server may go on sending to a client that is silent.

It is by what its client sends that a connection is found to be denied, or allowed again. So the bridge gets a packet
like the client's for each connection that it remembers. That goes through its stages as the client's do, so that the
connection is marked as cut, or is no more; and it goes nowhere else.

TCP and SCTP are left alone: whoever gets something by them acknowledges it.
"""

from __future__ import annotations

import logging
from threading import Lock
from typing import Any

from .actions import load
from .datapaths import Datapaths
from .desired import Desired
from .encode import Encoder
from .features.classifier import entry_marks
from .framework import Datapath, Framework
from .marks import JUDGED_ONLY, source_zone_of, zone_of
from .open_connections import FRAME_BYTES, Place, connections_in, counted, datagram
from .tables import CONNTRACK

log = logging.getLogger(__name__)
BATCH, PAUSE_S = 100, 0.004  # packets, 1 ms of ovs-vswitchd's time, and what it has for others after them
REST_S = 0.2  # from one judging of a bridge to the next
MOST = 30_000  # connections of all protocols, of which ovs-vswitchd tells within 50 ms


class Rejudging:
    """Of all bridges. One thread asks for it; it is done in threads of its own, one at a time for each bridge."""

    def __init__(self, framework: Framework, encoder: Encoder, desired: Desired, datapaths: Datapaths | None) -> None:
        self._framework, self._encoder, self._desired, self._datapaths = framework, encoder, desired, datapaths
        self._asked: set[tuple[Datapath, float]] = set()
        self._at_work: dict[int, Any] = {}

    def soon(self, switch: Datapath, after_s: float) -> None:
        """Judge what is open on a bridge after so long, once for all that ask for it meanwhile."""
        datapaths, place, asked = self._datapaths, self._place(switch.id), (switch, after_s)
        if datapaths is None or place is None or asked in self._asked:
            return
        self._asked.add(asked)
        at_work = self._at_work.setdefault(switch.id, Lock())

        def act() -> None:
            self._framework.hub.sleep(after_s)
            with at_work:
                self._asked.discard(asked)
                try:
                    self._judge(datapaths, place, switch)
                except Exception:
                    log.exception("%s: what is open is not judged anew", place.bridge)
                self._framework.hub.sleep(REST_S)

        self._framework.spawn(act)

    def _place(self, dpid: int) -> Place | None:
        """Nothing for what is no node's bridge."""
        switch = self._desired.switch(dpid)
        node = self._desired.node(switch.node) if switch and switch.node else None
        return Place(switch.name, zone_of(dpid), node.pod_cidrs, node.addresses) if switch and node else None

    def _judge(self, datapaths: Datapaths, place: Place, switch: Datapath) -> None:
        zone = f"zone={place.zone}"
        counts = datapaths.ask(place.bridge, "dpctl/ct-stats-show", zone) or ""
        if not counted(counts, "UDP"):
            return
        if counted(counts, "Total") > MOST:
            log.warning("%s: more than %d connections: silent clients' are not judged anew", place.bridge, MOST)
            return
        known = connections_in(datapaths.ask(place.bridge, "dpctl/dump-conntrack", zone) or "")
        for source, connections in place.by_source(known).items():
            marks = (*entry_marks(source, place.zone, source_zone_of(place.zone)), load(JUDGED_ONLY, 1))
            head = self._encoder.packet_out(bytes(FRAME_BYTES), marks, CONNTRACK)[:-FRAME_BYTES]
            for first in range(0, len(connections), BATCH):
                switch.send(b"".join(head + datagram(one) for one in connections[first : first + BATCH]))
                has_time = datapaths.ask(place.bridge, "version")  # again, so that bundles wait for one batch at most
                if has_time is None:
                    return
                self._framework.hub.sleep(PAUSE_S)
