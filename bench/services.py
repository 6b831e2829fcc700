"""A Service beside its pod's own address, across nodes: new connections a second, both ways within each repetition."""

from __future__ import annotations

from contextlib import ExitStack

from bench.labs import Bench, bench
from bench.outcome import AT_LEAST, Figure, Outcome
from experiments.calls import Asked, Call, ask
from experiments.inside import Sandbox, start_ready
from experiments.statistics import estimate
from k8sshim.client import PODS, SERVICES, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Pod, Raw
from lab.inventory import netns_of

REPETITIONS, CONNECTIONS, AT_ONCE = 15, 2000, 32
PORT, TARGET_PORT = 80, 8080
_NAME = "bench"
_RESENT_US = 0.9e6  # Linux sends a SYN again after a second


def run() -> Outcome:
    """Measure the ratio. Raises PodwireError where nothing is answered."""
    with bench() as one:
        one.up(_NAME, one.write_cluster(2), one.write("manifests.json", _manifests()))
        taken = _measure(one)
        one.down(_NAME)
    pods, services = zip(*taken, strict=True)
    pod, service = (estimate([one.per_second for one in of]).median for of in (pods, services))
    lost = [sum(not answer.answered for one in of for answer in one.answers) for of in (pods, services)]
    slow = [sum(answer.connect_us > _RESENT_US for one in of for answer in one.answers) for of in (pods, services)]
    ratios = tuple(to.per_second / of.per_second for of, to in taken)
    figure = Figure("pod to Service / pod to pod across nodes, new connections", AT_LEAST, 0.8, "", ratios)
    return Outcome(
        (figure,),
        (
            f"{CONNECTIONS} connections a reading, {AT_ONCE} at once, each asked who answers: "
            f"{pod:.0f} a second to the pod's address, {service:.0f} to the Service's",
            f"of {REPETITIONS * CONNECTIONS} each, {lost[0]} to the pod's address and {lost[1]} to the Service's "
            f"were not answered; {slow[0]} and {slow[1]} took as long as a lost first packet costs",
            "the ratio of throughput through a Service is measured by: throughput",
        ),
    )


def _measure(one: Bench) -> list[tuple[Asked, Asked]]:
    """What each repetition gave: to the pod's address, to the Service's."""
    client, sandbox = Client(one.home / "labs" / _NAME / "kubeconfig"), Sandbox(one.supervisor(_NAME))
    asking, answering = (_pod(client, name) for name in ("client", "server"))
    raw = client.get(SERVICES, Key("default", "server"))
    assert raw
    with ExitStack() as undo:
        start_ready(sandbox, ["experiments.answerers", str(TARGET_PORT), f"{netns_of(answering)}=server"], None, undo)
        ways = ((answering.ip, TARGET_PORT), (raw["spec"]["clusterIP"], PORT))
        calls = [[Call(netns_of(asking), *way)] * CONNECTIONS for way in ways]
        for way in calls:
            _ask(sandbox, way)  # flows are cached, servers run
        pairs = []
        for repetition in range(REPETITIONS):
            order = (0, 1) if repetition % 2 else (1, 0)
            taken = {which: _ask(sandbox, calls[which]) for which in order}
            pairs.append((taken[0], taken[1]))
    return pairs


def _ask(sandbox: Sandbox, calls: list[Call]) -> Asked:
    asked = ask(lambda argv, text: sandbox.must(argv, stdin=text, timeout_s=60), calls, 3.0, AT_ONCE)
    if not asked.per_second:
        raise PodwireError(f"none of {len(calls)} connections to {calls[0].address} was answered")
    return asked


def _pod(client: Client, name: str) -> Pod:
    raw = client.get(PODS, Key("default", name))
    assert raw
    return Pod.parse(raw)


def _manifests() -> list[Raw]:
    """A client and a server on two nodes, and a Service in front of the server alone."""
    pods: list[Raw] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "containers": [{"name": name, "image": f"example/{name}"}],
            },
        }
        for name, node in (("client", "node1"), ("server", "node2"))
    ]
    spec = {"selector": {"app": "server"}, "ports": [{"port": PORT, "targetPort": TARGET_PORT}]}
    metadata = {"name": "server", "namespace": "default"}
    return [*pods, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}]
