"""Rollouts of a Deployment behind a Service while new connections come at a constant pace: how many fail."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench.labs import Bench, bench, deployment, service
from bench.outcome import AT_MOST, Figure, Outcome
from experiments.calls import Asked, Call, ask
from experiments.inside import Sandbox
from k8sshim.client import DEPLOYMENTS, PODS, SERVICES, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Pod, Raw
from lab.inventory import netns_of
from lab.waiting import wait_until

NODES, REPLICAS, ROLLOUTS = 3, 6, 5
PER_SECOND, LOAD_S, LEAD_S = 300, 15.0, 1.0
_NAME, _KEY = "bench", Key("default", "web")
_GRACE_S = 4  # of the pods: short, so that a rollout ends within the load
_ROLLED_S = 30.0


def run() -> Outcome:
    """Count connections that nobody answered. Raises PodwireError where a rollout does not end in time."""
    failed: list[float] = []
    notes: list[str] = []
    with bench() as one:
        client_pod = deployment("client", 1)
        manifests = one.write("manifests.json", [_web(), service("web"), client_pod])
        one.up(_NAME, one.write_cluster(NODES), manifests)
        for number in range(1, ROLLOUTS + 1):
            asked, seconds = _roll(one, number)
            failed.append(sum(not answer.answered for answer in asked.answers))
            names = {answer.name for answer in asked.answers if answer.name}
            notes.append(
                f"rollout {number}: {seconds:.1f} s, {len(asked.answers)} connections, {len(names)} pods answered"
            )
        one.down(_NAME)
    figure = Figure(f"new connections that fail, the worst of {ROLLOUTS} rollouts", AT_MOST, 0.0, "", (max(failed),))
    return Outcome((figure,), (f"{PER_SECOND} new connections a second, {REPLICAS} pods on {NODES} nodes", *notes))


def _roll(one: Bench, number: int) -> tuple[Asked, float]:
    """The answers during one rollout, and how long that took."""
    client, sandbox = Client(one.home / "labs" / _NAME / "kubeconfig"), Sandbox(one.supervisor(_NAME))
    raw = client.get(SERVICES, _KEY)
    assert raw
    (asking,) = (Pod.parse(pod) for pod in client.list(PODS, "default", "app=client")[0])
    calls = [Call(netns_of(asking), raw["spec"]["clusterIP"], 80)] * round(PER_SECOND * LOAD_S)

    def load() -> Asked:
        text_of = lambda argv, text: sandbox.must(argv, stdin=text, timeout_s=10 * LOAD_S)  # noqa: E731
        return ask(text_of, calls, 5.0, 200, per_second=PER_SECOND)

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(load)
        time.sleep(LEAD_S)
        begin = time.monotonic()
        stamp = {"metadata": {"annotations": {"bench/rollout": str(number)}}}
        client.patch(DEPLOYMENTS, _KEY, {"spec": {"template": stamp}})
        if not wait_until(lambda: _rolled(client, number), _ROLLED_S):
            raise PodwireError(f"rollout {number} has not ended after {_ROLLED_S:g} s")
        seconds = time.monotonic() - begin
        if under_way.done():
            raise PodwireError(f"rollout {number} took {seconds:.1f} s, longer than the load")
        return under_way.result(), seconds


def _rolled(client: Client, number: int) -> bool:
    """Whether every pod is of this rollout, ready, and no other is left."""
    raws = client.list(PODS, "default", "app=web")[0]
    fresh = [raw for raw in raws if raw["metadata"].get("annotations", {}).get("bench/rollout") == str(number)]
    return len(raws) == len(fresh) == REPLICAS and all(Pod.parse(raw).ready for raw in fresh)


def _web() -> Raw:
    made = deployment("web", REPLICAS)
    made["spec"]["template"]["spec"] |= {"terminationGracePeriodSeconds": _GRACE_S}
    return made
