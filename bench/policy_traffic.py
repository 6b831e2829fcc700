"""A stream between two nodes with and without policies, and flows beside the sum of rules, peers and ports."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.bridges import flows, node_bridges, programmed
from bench.labs import Bench, bench
from bench.outcome import AT_LEAST, AT_MOST, Figure, Outcome
from experiments.inside import Sandbox
from experiments.measuring import SERVERS_S
from experiments.parse import ToolFailed
from experiments.policy_scaling.policies import CLIENT, POD_NAME, PlannedPolicy, many, policy_object, wide
from experiments.results import Sample, labels
from experiments.scaling.places import Place
from experiments.scaling.readings import Stream
from experiments.scaling.services import Endpoint
from k8sshim.client import NETWORK_POLICIES, PODS, Client
from k8sshim.objects import Key, Pod, Raw
from lab.inventory import netns_of
from lab.waiting import wait_until

POLICIES, ROUNDS, STREAMS, STREAM_S = 1000, 5, 3, 0.5
SIDES, MANY, RULES = (10, 30, 100), (10, 100, 1000), (10, 100)
PODS_SHARED = 20  # that the rules of one policy are about
CONSTANT = 16  # flows, whatever the policies are: verdicts, the pod that they are about, and that it is isolated
_NAME, _SERVER, _SHARED = "bench", "server-0", ("app", "shared")


def run() -> Outcome:
    """Measure both. Raises PodwireError where a stream does not arrive or flows do not."""
    with bench() as one:
        one.up(_NAME, one.write_cluster(2), one.write("manifests.json", _manifests()))
        side = _Side(one)
        cases = [side.count(case) for case in _cases()]
        rounds = side.streams()
        one.down(_NAME)
    ratios = tuple(policed / free for free, policed in rounds)
    free, policed = (statistics.median(of) for of in zip(*rounds, strict=True))
    beyond = max(case.held - case.formula for case in cases if case.rules == 1)
    fewer, more = (case for case in cases if case.policies >= MANY[-2])
    few_rules, many_rules = (case for case in cases if case.policies == 1 and case.rules > 1)
    return Outcome(
        (
            Figure(f"throughput under {POLICIES} policies / under none", AT_LEAST, 0.9, "", ratios),
            Figure("flows beyond rules + peers + ports, one rule", AT_MOST, CONSTANT, "flows", (beyond,)),
            Figure(
                "flows / (rules + peers + ports + pods), as policies grow in number",
                AT_MOST,
                1.5,
                "",
                (more.grown(fewer, pods=more.policies - fewer.policies),),
            ),
            Figure(
                f"flows / (rules + peers + ports), as the rules of a policy about {PODS_SHARED} pods grow in number",
                AT_MOST,
                1.5,
                "",
                (many_rules.grown(few_rules),),
            ),
        ),
        (
            f"a stream between nodes: {free:.0f} Mbit/s without policies, {policed:.0f} with {POLICIES} about one end",
            *(str(case) for case in cases),
        ),
    )


@dataclass(frozen=True)
class Case:
    """Policies, and the flows that the bridge of those whom they are about holds for them."""

    name: str
    objects: tuple[Raw, ...]
    rules: int
    peers: int  # addresses
    ports: int
    product: int  # of peers and ports, of each rule
    about: str  # whom
    held: int = 0

    @property
    def policies(self) -> int:
        return len(self.objects)

    @property
    def formula(self) -> int:
        return self.rules + self.peers + self.ports

    def grown(self, fewer: Case, pods: int = 0) -> float:
        """Flows beside the formula and so many pods, each of what came to fewer of the same kind."""
        return (self.held - fewer.held) / (self.formula - fewer.formula + pods)

    def __str__(self) -> str:
        terms = f"rules + peers + ports = {self.rules} + {self.peers} + {self.ports} = {self.formula}"
        return f"{self.name}: {self.held} flows; {terms}, {self.about}; peers x ports would be {self.product}"


def _cases() -> Iterator[Case]:
    for size in SIDES:
        (one,) = wide(size, "server")
        ports = tuple(range(20_000, 20_000 + 2 * size, 2))
        yield _case(f"one rule, {size} peers, {size} ports", [replace(one, ports=ports)], "about one pod")
    for size in MANY:
        yield _case(f"{size} policies", many(size, [_SERVER], "server"), "each about one pod")
    for size in RULES:
        yield _of_rules(size)


def _case(name: str, policies: Sequence[PlannedPolicy], about: str) -> Case:
    """Policies of one rule each, whose labels are one pod's each."""
    peers, ports = [len(one.groups) + len(one.blocks) for one in policies], [len(one.ports) for one in policies]
    objects = tuple(policy_object(one, "default") for one in policies)
    product = sum(map(operator.mul, peers, ports))
    return Case(name, objects, len(policies), sum(peers), sum(ports), product, about)


def _of_rules(size: int) -> Case:
    """One policy of so many rules, each with two peers and a port of its own, about the same pods."""
    (one,) = wide(2 * size + 1, "")
    blocks = [{"ipBlock": {"cidr": cidr}} for cidr in one.blocks]
    rules = [{"from": blocks[2 * n : 2 * n + 2], "ports": [{"port": 20_000 + 2 * n}]} for n in range(size)]
    policy = policy_object(replace(one, subject=_SHARED), "default")
    policy["spec"]["ingress"] = rules
    about = f"about {PODS_SHARED} pods of one node"
    return Case(f"a policy of {size} rules", (policy,), size, 2 * size, size, 2 * size, about)


class _Side:
    """The lab's API, its two bridges and its two pods."""

    def __init__(self, one: Bench) -> None:
        self._kubeconfig: Path = one.home / "labs" / _NAME / "kubeconfig"
        self._sandbox = Sandbox(one.supervisor(_NAME))
        self._sockets = [node_bridges(self._sandbox, 2)["b2"]]
        client, server = (self._pod(name) for name in ("client", _SERVER))
        servers = (Endpoint(_SERVER, server.ip),)
        self._place = Place(self._sandbox, netns_of(client), servers, (netns_of(server),))

    def count(self, case: Case) -> Case:
        """What these policies come to."""
        with self._holding(case.objects, case.peers + case.ports) as (before, held):
            return replace(case, held=held - before)

    def streams(self) -> list[tuple[float, float]]:
        """In each round the median of streams without policies and of streams with them, in turn which comes first."""
        made, address = _case("", many(POLICIES, [_SERVER], "server"), ""), self._place.servers[0].address
        found = []
        with ExitStack() as undo:
            self._place.serve(undo)
            stream = Stream(self._place, STREAM_S)

            def take() -> float:
                sample = partial(Sample, "throughput", "Mbit/s", repetition=0, labels=labels())
                return stream.take(address, lambda value: sample(value=value)).samples[0].value

            def works() -> bool:
                with suppress(ToolFailed):
                    return take() > 0
                return False

            wait_until(works, SERVERS_S)  # flows are cached, servers run, the rate is known
            for number in range(ROUNDS):
                before = _median(take) if number % 2 == 0 else 0.0
                with self._holding(made.objects, made.peers + made.ports):
                    take()
                    policed = _median(take)
                take()
                found.append((before or _median(take), policed))
        return found

    @contextmanager
    def _holding(self, policies: Sequence[Raw], least: int) -> Iterator[tuple[int, int]]:
        """The server's bridge before and with these policies, in flows, at least so many; they are gone afterwards."""
        client, (before,) = Client(self._kubeconfig), flows(self._sandbox, self._sockets)
        begin = time.monotonic()
        for one in policies:
            client.create(NETWORK_POLICIES, one)
        _, (held,) = programmed(self._sandbox, self._sockets, [before], least, begin)
        try:
            yield before, held
        finally:
            for one in policies:
                client.delete(NETWORK_POLICIES, Key.of(one))
            programmed(self._sandbox, self._sockets, [held], before - held, time.monotonic())

    def _pod(self, name: str) -> Pod:
        raw = Client(self._kubeconfig).get(PODS, Key("default", name))
        assert raw
        return Pod.parse(raw)


def _median(take: Callable[[], float]) -> float:
    return statistics.median(take() for _ in range(STREAMS))


def _manifests() -> list[Raw]:
    """A client and a server on two nodes, and beside the server those whom one policy is about."""
    pods = [("client", "node1", dict([CLIENT])), (_SERVER, "node2", {"app": "server", POD_NAME: _SERVER})]
    pods += [(f"shared-{number}", "node2", dict([_SHARED])) for number in range(PODS_SHARED)]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "containers": [{"name": name, "image": f"example/{name}"}],
            },
        }
        for name, node, labels in pods
    ]
