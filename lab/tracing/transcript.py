"""What `ofproto/trace` prints, read: the flows that a packet meets, switch by switch, and what each does to it. Pure.

Open vSwitch follows a packet over patch ports within one process, and through conntrack, translations included
(ovs-vswitchd(8), "ofproto/trace"). After conntrack it prints the name of the first bridge whatever bridge goes on, so
the bridges are remembered here, in the order in which they asked conntrack.

Where a switch compares the packet's size, Open vSwitch shows first what becomes of a larger one, farther to the right;
then the rest again. What is traced is small, so the first is left out.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

Packet = Mapping[str, str]  # as Open vSwitch names fields: nw_src, tp_dst, nw_ttl, ...

_BRIDGE = re.compile(r'bridge\("(.+)"\)')
_TABLE = re.compile(r"(\d+)\. (.*)")
_RULE = re.compile(r"(?P<match>.*?)(?:, )?priority (?P<priority>\d+)(?:, cookie 0x(?P<cookie>[0-9a-f]+))?")
_SET_ETHERNET = re.compile(r"set_field:([0-9a-f:]{17})->eth_(src|dst)")
_OUTPUT = re.compile(r"output:(\d+)|-> output port is (\d+)")
IN_PORT = 0xFFF8
_ACTIONS = 4  # by which a flow's actions stand farther to the right


@dataclass(frozen=True)
class Visit:
    """A flow that the packet met."""

    switch: str
    table: int
    cookie: int  # 0 where no flow matched
    match: str
    packet: Packet  # as it came
    actions: tuple[str, ...] = ()
    output: int | None = None  # the port that the packet left by here
    muted: int | None = None  # the port that it should have left by, and that sends nothing

    @property
    def to_controller(self) -> bool:
        return any(action.upper().startswith("CONTROLLER") for action in self.actions)


def visits(text: str, switch: str) -> list[Visit]:
    """Every flow of a trace that began on `switch`, in order."""
    return list(_Reader(switch).read(text))


def after(visit: Visit) -> Packet:
    """The packet as a flow without conntrack sends it on."""
    packet = dict(visit.packet)
    for action in visit.actions:
        _apply(action, packet)
    return packet


def _apply(action: str, packet: dict[str, str]) -> None:
    if ethernet := _SET_ETHERNET.fullmatch(action):
        packet[f"dl_{ethernet[2]}"] = ethernet[1]
    elif action == "dec_ttl":
        packet["nw_ttl"] = str(int(packet.get("nw_ttl", "0")) - 1)


def fields(text: str) -> dict[str, str]:
    """`tcp,nw_src=10.0.0.1,...` as fields; what has no value (the protocol) stands for itself."""
    pairs = (part.split("=", 1) for part in text.strip().split(",") if part)
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


class _Reader:
    """Where the reading has come to."""

    def __init__(self, switch: str) -> None:
        self._switch = switch
        self._packet: dict[str, str] = {}
        self._visit: Visit | None = None
        self._waiting: deque[str] = deque()  # the switches whose packets are with conntrack
        self._resuming = False
        self._indent = 0  # of the flow that is read
        self._larger: int | None = None  # what stands farther to the right than this is about a larger packet

    def read(self, text: str) -> Iterator[Visit]:
        for line in text.splitlines():
            stripped = line.strip()
            if self._is_of_larger(line, stripped):
                continue
            if table := _TABLE.fullmatch(stripped):
                yield from self._done()
                self._visit = self._begin(int(table[1]), table[2])
            elif bridge := _BRIDGE.fullmatch(stripped):
                yield from self._done()
                self._switch = self._switch if self._resuming else bridge[1]
                self._resuming = False
            elif line.startswith("Final flow:"):
                yield from self._done()
            elif line.startswith("Flow: "):
                self._packet = fields(line.removeprefix("Flow: "))
            elif line.startswith("recirc("):
                self._resuming = True
                self._switch = self._waiting.popleft() if self._waiting else self._switch
            elif self._visit is not None and stripped:
                self._visit = self._acted(self._visit, stripped)
        yield from self._done()

    def _is_of_larger(self, line: str, stripped: str) -> bool:
        """Whether a line tells of what becomes of a packet that is larger than the traced one."""
        indent = len(line) - len(line.lstrip())
        if line.startswith("recirc(") or line.startswith("Final flow:"):
            of_larger = line.startswith("recirc(") and self._waiting and not self._waiting[0]
            if of_larger:
                self._waiting.popleft()
            self._larger = -1 if of_larger else None
            return bool(of_larger)
        if self._larger is None:
            if _TABLE.fullmatch(stripped):
                self._indent = indent
            elif stripped.startswith("check_pkt_larger("):
                self._larger = self._indent
            return False
        if _TABLE.fullmatch(stripped) and indent <= self._larger:
            self._indent, self._larger = indent, None
            return False
        if indent > self._larger + _ACTIONS and stripped.startswith("ct(") and "table=" in stripped:
            self._waiting.append("")
        return True

    def _begin(self, table: int, rule: str) -> Visit:
        found = _RULE.fullmatch(rule)
        cookie = int(found["cookie"] or "0", 16) if found else 0
        return Visit(self._switch, table, cookie, found["match"] if found else "", dict(self._packet))

    def _acted(self, visit: Visit, line: str) -> Visit:
        """The visit with one more line of what its flow did."""
        if output := _OUTPUT.match(line):
            visit = replace(visit, output=int(output[1] or output[2]))
        elif line == "IN_PORT":
            visit = replace(visit, output=IN_PORT)
        elif "OFPPC_NO_FWD" in line:
            return replace(visit, output=None, muted=visit.output)
        if line.startswith("->"):
            return visit
        _apply(line, self._packet)
        if line.startswith("ct(") and "table=" in line:
            self._waiting.append(visit.switch)
        return replace(visit, actions=(*visit.actions, line))

    def _done(self) -> Iterator[Visit]:
        if self._visit is not None:
            yield self._visit
        self._visit = None
