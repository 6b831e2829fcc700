"""The parameters of the experiment `timeline`: what is watched, and the steps of each case in time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.reading_fields import key, number, words
from k8sshim.errors import BadInput
from k8sshim.objects import Key, Raw
from lab.faults import kinds
from lab.faults.kinds import Fault
from topo.fields import Fields

NAME = "timeline"
UDP, TCP, CONNECTIONS, NEWCOMER = "udp", "tcp", "connections", "newcomer"
BEFORE = "before"  # the first event: what is seen when nothing has happened yet
WATCHES = (UDP, TCP, CONNECTIONS)
MAX_SECONDS = 600.0
LEAD_S, TAIL_S = 0.5, 1.5  # before the first step, at least; after the last one, where the case does not say
_FAULT = ("fault", "targets", "percent", "ms")


@dataclass(frozen=True)
class Step:
    """Something that happens at a time: a fault (or the opposite of one), or a pod that is new."""

    at_s: float
    fault: Fault | None
    for_s: float = 0.0  # undone after so long; 0: at the case's end
    newcomer: str = ""  # the name of a stand-in's pod that is made, on the server's node

    @property
    def name(self) -> str:
        return str(self.fault) if self.fault else f"new pod {self.newcomer}"

    @property
    def ends_s(self) -> float:
        return self.at_s + self.for_s

    def to_raw(self) -> Raw:
        """As the scenario has it."""
        raw: Raw = {"at": self.at_s}
        if self.fault:
            amounts = {"percent": self.fault.percent, "ms": self.fault.delay_ms}
            raw |= {"fault": self.fault.kind, "targets": list(self.fault.targets)}
            raw |= {name: value for name, value in amounts.items() if value}
        if self.newcomer:
            raw["newcomer"] = self.newcomer
        return raw | ({"for": self.for_s} if self.for_s else {})


@dataclass(frozen=True)
class Case:
    """Steps, and who is talked to meanwhile."""

    name: str
    steps: tuple[Step, ...]
    seconds: float
    server: Key | None = None  # None: the experiment's

    def to_raw(self) -> Raw:
        """As the scenario has it."""
        own = {"server": str(self.server)} if self.server else {}
        return {"seconds": self.seconds, "steps": [step.to_raw() for step in self.steps], **own}


@dataclass(frozen=True)
class Timeline:
    """The experiment's parameters."""

    client: Key
    server: Key  # runs iperf3 and irtt
    cases: tuple[Case, ...]
    service: Key | None = None  # what new connections go to; None: the server
    port: int = 80  # of the Service, or of the server's stand-in
    watch: tuple[str, ...] = WATCHES
    tcp_mbit_per_s: float = 10.0  # so much is offered: what is full of itself shows nothing else

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {
            "client": str(self.client),
            "server": str(self.server),
            **({"service": str(self.service)} if self.service else {}),
            "port": self.port,
            "watch": list(self.watch),
            "tcpMbitPerSecond": self.tcp_mbit_per_s,
            "cases": {case.name: case.to_raw() for case in self.cases},
        }


def of(parameters: object) -> Timeline:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Timeline)
    return parameters


def parse(fields: Fields) -> Timeline:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Timeline(
        client=key(fields, "client"),
        server=key(fields, "server"),
        service=key(fields, "service") if fields.raw.get("service") else None,
        port=fields.integer("port", Timeline.port, 1, 65535),
        watch=words(fields, "watch", WATCHES),
        tcp_mbit_per_s=number(fields, "tcpMbitPerSecond", Timeline.tcp_mbit_per_s, 0.1, 1000),
        cases=_cases(fields.fields("cases")),
    )
    fields.take("service")
    fields.close()
    return parsed


def _cases(fields: Fields) -> tuple[Case, ...]:
    if fields.sound and not fields.raw:
        fields.problems.add(fields.path, "is required: cases by name, each with its steps")
    return tuple(_case(str(name), fields.fields(name)) for name in fields.raw)


def _case(name: str, fields: Fields) -> Case:
    items = fields.items("steps")
    steps = [_step(Fields(raw, f"{fields.at('steps')}[{place}]", fields.problems)) for place, raw in enumerate(items)]
    if not steps:
        fields.wrong("steps", "is required: what happens, and when")
    last = max((step.ends_s for step in steps), default=0.0)
    seconds = number(fields, "seconds", last + TAIL_S, LEAD_S, MAX_SECONDS)
    if seconds < last:
        fields.wrong("seconds", f"is over before the last step ends, which is at {last:g}")
    server = key(fields, "server") if fields.raw.get("server") else None
    fields.take("server")
    fields.close()
    return Case(name, tuple(sorted(steps, key=lambda step: step.at_s)), seconds, server)


def _step(fields: Fields) -> Step:
    at_s = number(fields, "at", LEAD_S, LEAD_S, MAX_SECONDS)
    for_s = number(fields, "for", 0.0, 0.0, MAX_SECONDS)
    newcomer = fields.text("newcomer", "") or ""
    given = {name: fields.take(name) for name in _FAULT}
    fields.close()
    if (given["fault"] is None) == (not newcomer):
        fields.wrong("fault", "or newcomer is required, and not both")
        return Step(at_s, None, for_s, newcomer)
    return Step(at_s, None if newcomer else _fault(fields, given, for_s), for_s, newcomer)


def _fault(fields: Fields, given: dict[str, Any], for_s: float) -> Fault | None:
    targets = given["targets"] or []
    if not isinstance(targets, list) or not all(isinstance(one, str) for one in targets):
        fields.wrong("targets", f"must be a list of strings, not {targets!r}")
        return None
    try:
        fault = kinds.parse(str(given["fault"]), targets, percent=given["percent"], delay_ms=given["ms"])
        return kinds.lasting(fault) if for_s else fault
    except BadInput as error:
        for problem in error.problems:
            fields.wrong({"kind": "fault"}.get(problem.field, problem.field), problem.message)
    return None
