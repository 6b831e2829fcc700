"""Makes connections, and counts by the switches' ports which way they went."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from experiments import calls, ends, environment
from experiments.catalogue import Prepared
from experiments.ecmp import parameters, planning
from experiments.ecmp.parameters import Spread
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.planning import Measurer
from experiments.recording import Measured, Taken, recording
from experiments.results import Labels, Sample, labels
from experiments.throughput import CROSS_NODE, POD_TO_POD
from k8sshim.client import Client
from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from lab.inventory import netns_of
from lab.state import Lab
from lab.tracing import link_use
from lab.tracing.tracer import Switches
from topo.fabric import LinkEnd
from topo.plan import plan as plan_of

METRIC = "flows"
TIMEOUT_S, AT_ONCE = 5.0, 64
expected = planning.expected


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given, plan = parameters.of(prepared.scenario.parameters), plan_of(prepared.cluster)
    client, sandbox = Client(lab.kubeconfig), Sandbox(lab.pid)
    sender, receiver = ends.pod(client, given.client), ends.pod(client, given.server)
    bridges = [plan.node(str(one.node)).bridge.name for one in (sender, receiver)]
    choices = planning.choices(plan, *bridges) if bridges[0] != bridges[1] else {}
    if not choices:
        raise BadInput.of(f"there is one shortest way alone from {sender.node} to {receiver.node}, nothing to choose")
    counter = Counter(sandbox, Switches.of(lab), choices, netns_of(sender), receiver.ip)
    with recording() as recorder:
        for repetition in range(prepared.scenario.pace.repetitions):
            before = 0
            for flows in given.flows:
                many = "connection" if flows == 1 else "connections"
                measurer.doing(f"repetition {repetition + 1}: {flows} {many}", planning.reading_s(flows))
                ports = planning.source_ports(flows, repetition, before)
                act = partial(counter.take, given, ports, repetition)
                recorder.take(METRIC, repetition, of_reading(flows), act)
                before += flows
        return recorder.measured, environment.lab(sandbox, plan, netns_of(sender))


def of_reading(flows: int) -> Labels:
    return labels(path=POD_TO_POD, locality=CROSS_NODE, protocol="TCP", connections=flows)


class Counter:
    """Connections between two pods, and the ports that may carry them."""

    def __init__(
        self,
        sandbox: Sandbox,
        switches: Switches,
        choices: Mapping[str, Mapping[str, LinkEnd]],
        netns: str,
        address: str,
    ) -> None:
        self._sandbox, self._switches, self._choices = sandbox, switches, choices
        self._netns, self._address = netns, address

    def take(self, given: Spread, ports: list[int], repetition: int) -> Taken:
        """Make connections from these source ports. Raises ToolFailed."""
        before = link_use.parse(self._switches.ports())
        made = [calls.Call(self._netns, self._address, given.port, port) for port in ports]
        run = lambda argv, text: self._sandbox.must(argv, stdin=text, timeout_s=120)  # noqa: E731
        asked = calls.ask(run, made, TIMEOUT_S, AT_ONCE)
        after = link_use.parse(self._switches.ports())
        answered = sum(one.answered for one in asked.answers)
        if answered < len(ports):
            raise ToolFailed(f"{len(ports) - answered} of {len(ports)} connections were not answered")
        samples = []
        for switch, ways in self._choices.items():
            sent = {
                way: after[end.switch, end.port].bytes - before[end.switch, end.port].bytes for way, end in ways.items()
            }
            if any(sent.values()):
                of = of_reading(len(ports)) + labels(switch=switch)
                counted = planning.shares(sent, self._flows_at(sent, before, after, len(ports)))
                samples += [
                    Sample(METRIC, "connections", round(count, 3), repetition, of + labels(way=way))
                    for way, count in counted.items()
                ]
        return Taken(("experiments.calls", self._address), tuple(samples))

    def _flows_at(
        self, sent: Mapping[str, int], before: link_use.Readings, after: link_use.Readings, all_of: int
    ) -> int:
        """How many connections came to a switch: its bytes over those of the first choice, which all came to."""
        first = next(iter(self._choices.values()))
        total = sum(after[end.switch, end.port].bytes - before[end.switch, end.port].bytes for end in first.values())
        return max(1, round(all_of * sum(sent.values()) / total)) if total else 0
