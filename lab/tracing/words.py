"""What a stage did to a traced packet, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.actions import SOURCE_ADDRESS, Multipath, SetField
from controller.marks import ENDPOINT, REFUSED_PORT, Endpoint
from controller.tables import (
    AFFINITY_CLIENTS,
    CLASSIFIER,
    CONNTRACK,
    CONNTRACK_COMMIT,
    CONNTRACK_STATE,
    DENIED,
    ENDPOINT_DNAT,
    FABRIC_GUARD,
    FABRIC_PATH_MTU,
    FABRIC_ROUTING,
    FABRIC_TABLES,
    NODE_TABLES,
    OUTPUT,
    PATH_MTU,
    ROUTING,
    SERVICE_AFFINITY,
    SERVICE_FRONT_END,
    SERVICE_LOAD_BALANCING,
    SPOOF_GUARD,
    Table,
)

from .judging import judge
from .network import Network, Rule
from .transcript import Visit

_IN_PORT = re.compile(r"\bin_port=(\d+)")
_USUAL = {
    ("spoof_guard", SPOOF_GUARD): "sends from its own addresses, to its own bridge",
    ("conntrack", CONNTRACK): "looked up: no connection that conntrack knows",
    ("conntrack", CONNTRACK_STATE): "a new connection from elsewhere in the network",
    ("conntrack", CONNTRACK_COMMIT): "remembered as a connection",
    ("affinity", SERVICE_AFFINITY): "asks whether this client has an endpoint already",
    ("masquerade", CONNTRACK): "looked up: an answer to what was seen as this node?",
    ("masquerade", CONNTRACK_STATE): "sent to the node's own address",
    ("path_mtu", PATH_MTU): "compared with what the way ahead carries",
    ("path_mtu", FABRIC_PATH_MTU): "compared with what the way ahead carries",
    ("border", FABRIC_GUARD): "sends from its own addresses, to its own bridge",
}


@dataclass(frozen=True)
class Choice:
    """The Service that took part, and the endpoint that got the connection."""

    service: str  # namespace/name
    group: int | None
    candidates: tuple[str, ...]  # address:port of each
    endpoint: str  # "" where the connection was refused
    target: str  # who has the endpoint's address


@dataclass(frozen=True)
class Translation:
    """What conntrack made of an address."""

    switch: str
    what: str  # source or destination
    before: str
    after: str


@dataclass(frozen=True)
class Words:
    """Tells of the visits of one packet."""

    network: Network
    choice: Choice | None
    translations: Sequence[Translation]

    def of(self, visit: Visit, rule: Rule | None) -> str:
        """What the stage did; "" where it only handed on."""
        table = table_of(self.network, visit)
        if rule is None or table is None:
            return "a flow that is not podwire's" if visit.cookie else "no flow: dropped"
        if rule.feature == "pipeline" and table is AFFINITY_CLIENTS:
            return "no: it is new here, or its time is over"
        if rule.feature == "pipeline":
            return "dropped: nothing here allows it" if "drop" in visit.actions else ""
        if judged := judge(self.network, visit, rule):
            return judged.words
        if visit.to_controller:
            return self._asked_controller(table, rule)
        return self._special(table, visit, rule) or _USUAL.get((rule.feature, table), rule.feature.replace("_", " "))

    def _asked_controller(self, table: Table, rule: Rule) -> str:
        if table is DENIED:
            return "dropped, and told to the log of denied connections"
        if rule.feature == "balancing":
            return f"{rule.subject}: to the controller, which gives it the next of {self._count()} endpoints in turn"
        return f"{rule.feature.replace('_', ' ')}: to the controller, which answers"

    def _special(self, table: Table, visit: Visit, rule: Rule) -> str:
        """Where there is more to tell than the feature."""
        by_stage: dict[Table, Callable[[Visit, Rule], str]] = {
            CLASSIFIER: self._entered,
            SERVICE_FRONT_END: self._asked,
            AFFINITY_CLIENTS: self._remembered,
            SERVICE_LOAD_BALANCING: self._drawn,
            ENDPOINT_DNAT: self._translated,
            ROUTING: self._routed,
            OUTPUT: self._left,
            FABRIC_ROUTING: self._routed,
        }
        if any("nat(src" in action for action in visit.actions):
            return self._source_translated(visit, rule)
        if table in by_stage:
            return by_stage[table](visit, rule)
        choosing = rule.subject.startswith("Service ") and (rule.feature, table) not in _USUAL
        return self._served(rule) if choosing else ""

    def _entered(self, visit: Visit, rule: Rule) -> str:
        if rule.feature == "fault":
            return "dropped: a partition, made by podwire fault"
        port = _IN_PORT.search(visit.match)
        return f"in by port {port[1]}, from {self.network.who_is_at(visit.switch, int(port[1]))}" if port else ""

    def _asked(self, visit: Visit, rule: Rule) -> str:
        if rule.flow and not rule.flow.actions:
            return f"{rule.subject}: this client is in none of its ranges: dropped"
        if rule.flow and SetField(ENDPOINT.name, Endpoint.REFUSED) in rule.flow.actions:
            return f"{rule.subject} declares no such port: refused"
        return f"{'a host port of' if rule.feature == 'host_ports' else 'asks'} {rule.subject}"

    def _drawn(self, visit: Visit, rule: Rule) -> str:
        hashes = [action.fields for action in rule.flow.actions if isinstance(action, Multipath)] if rule.flow else []
        if not hashes:
            return self._served(rule)
        of = "the client's address" if hashes == [SOURCE_ADDRESS] else "the connection"
        return f"{rule.subject}: a hash of {of} chooses a slot"

    def _served(self, rule: Rule) -> str:
        if self.choice is None or not self.choice.endpoint:
            return f"{rule.subject}: {self._without_endpoint(rule)}"
        count = self._count()
        by = f"group {self.choice.group:#x}: " if self.choice.group is not None else ""
        return f"{rule.subject}: {by}endpoint {self._endpoint()}, {f'one of {count}' if count > 1 else 'the only one'}"

    def _count(self) -> int:
        return len(self.choice.candidates) if self.choice else 0

    def _remembered(self, visit: Visit, rule: Rule) -> str:
        return f"{rule.subject}: this client stays with endpoint {self._endpoint()}"

    def _without_endpoint(self, rule: Rule) -> str:
        dropped = rule.flow is not None and not rule.flow.actions
        return "no endpoint here that may answer: dropped" if dropped else "no endpoint: refused"

    def _translated(self, visit: Visit, rule: Rule) -> str:
        if self.choice is None or not self.choice.endpoint:
            return f"translated to port {REFUSED_PORT} of the client's own node, where nothing listens"
        if not any("nat(" in action for action in visit.actions):
            return f"{rule.subject}: asked for what the endpoint is: {self._endpoint()}"
        return f"{rule.subject}: translated to {self._endpoint()}"

    def _endpoint(self) -> str:
        if self.choice is None:
            return ""
        return f"{self.choice.endpoint} ({self.choice.target})" if self.choice.target else self.choice.endpoint

    def _routed(self, visit: Visit, rule: Rule) -> str:
        match = dict(rule.flow.match) if rule.flow else {}
        ttl = int(visit.packet.get("nw_ttl", "0"))
        out = f", out of port {visit.output}" if visit.output is not None else ""
        return f"to {match.get('ipv4_dst', 'anywhere')} ({rule.subject}), TTL {ttl} becomes {ttl - 1}{out}"

    def _left(self, visit: Visit, rule: Rule) -> str:
        if visit.output is None:
            return ""
        return f"out of port {visit.output}, to {self.network.who_is_at(visit.switch, visit.output)}"

    def _source_translated(self, visit: Visit, rule: Rule) -> str:
        feature = rule.feature.replace("_", " ")
        changed = (one for one in self.translations if one.switch == visit.switch and one.what == "source")
        return "; ".join(f"{feature}: source {one.before} becomes {one.after}" for one in changed)


def table_of(network: Network, visit: Visit) -> Table | None:
    """The stage that a visit was in."""
    tables = NODE_TABLES if network.switch(visit.switch).node else FABRIC_TABLES
    return next((table for table in tables if table.number == visit.table), None)
