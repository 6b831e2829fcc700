"""Tries who reaches whom in a lab: takes stock of it, has one process in its sandbox try every pair, and judges."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from experiments.machine import Watch
from experiments.policy import stored
from experiments.policy.oracle import Oracle
from experiments.reach.cells import Cell, Expected, Judge
from experiments.reach.pairs import Inventory, Wanted, pairs
from experiments.reach.probe import PROTOCOLS, SCTP, TRIES, WAIT_S, Found, Outcome, Probe, again
from experiments.results import Machine
from k8sshim.client import ENDPOINT_SLICES, NODES, PODS, SERVICES, Client
from k8sshim.errors import NotFound, PodwireError
from k8sshim.objects import EndpointSlice, Node, Pod, Raw, Service
from lab import sandbox
from lab.state import Lab

_POLICY_KINDS = {resource.kind for resource in stored.POLICIES}
_QUIET = (Expected.DENIED, Expected.MIXED, Expected.NOBODY)  # whose silence is no surprise
_SAID = 30  # words of what went wrong
Tell = Callable[[int, int], None]  # how many are done, of how many


@dataclass(frozen=True)
class Matrix:
    """Every connection that was tried."""

    cells: tuple[Cell, ...]
    seconds: float  # from the first packet to the last answer that was waited for
    machine: Machine  # meanwhile
    started: str  # UTC, ISO 8601
    finished: str
    policies: int
    compared: bool  # with what policies expect


def observe(lab: Lab, wanted: Wanted, *, compare: bool = True, tell: Tell = lambda done, of: None) -> Matrix:
    """Try everything that is wanted. Raises NotFound for a namespace without pods, PodwireError."""
    client = Client(lab.kubeconfig)
    objects = stored.objects(client)
    there = _take_stock(client, objects, wanted)
    _check(lab, there, wanted)
    chosen = list(pairs(there, wanted))
    names = [str(pod.key) for pod in there.pods]
    judge = Judge(Oracle(objects) if compare else None, names)
    silent_is_fine = [judge.expected(pair) in _QUIET for pair in chosen]
    started = _now()
    with Watch() as watch, watch.window() as window:
        found = try_all(lab.pid, [pair.probe for pair in chosen], silent_is_fine, tell)
    cells = tuple(judge.cell(pair, one) for pair, one in zip(chosen, found, strict=True))
    policies = sum(raw["kind"] in _POLICY_KINDS for raw in objects)
    return Matrix(cells, window.seconds, window.machine, started, _now(), policies, compare)


def try_all(
    pid: int, probes: Sequence[Probe], silent_is_fine: Sequence[bool], tell: Tell = lambda done, of: None
) -> list[Found]:
    """What comes of each connection in the sandbox of process `pid`; silence that is not fine is asked once more."""
    found = ask(pid, probes, tell)
    for _ in range(1, TRIES):
        rest = list(again(probes, found, silent_is_fine))
        if not rest:
            break
        for index, one in zip(rest, ask(pid, [probes[index] for index in rest]), strict=True):
            found[index] = one
    return found


def ask(pid: int, probes: Sequence[Probe], tell: Tell = lambda done, of: None, wait_s: float = WAIT_S) -> list[Found]:
    """Have one process in the sandbox try them all, once. Raises PodwireError."""
    rows = [[probe.netns, probe.address, probe.port, probe.protocol] for probe in probes]
    argv = sandbox.enter_argv(pid, [sys.executable, "-m", "experiments.probes"])
    told: Raw = {}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        try:
            process.stdin.write(json.dumps({"wait_s": wait_s, "probes": rows}))
            process.stdin.close()
            for line in process.stdout:
                told = json.loads(line)
                if "done" in told:
                    tell(told["done"], len(probes))
        except BrokenPipeError:  # it ended before it had read everything: it says why
            pass
        except BaseException:
            process.terminate()
            raise
        said = process.stderr.read()
    if process.returncode or "found" not in told:
        raise PodwireError(f"the pairs cannot be tried: {' '.join(said.split()[-_SAID:])}")
    tell(len(probes), len(probes))
    return [Found(Outcome(outcome), name) for outcome, name in told["found"]]


def kernel_protocols() -> tuple[str, ...]:
    """What this machine's kernel speaks."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return tuple(one for one in PROTOCOLS if one != SCTP)
    return PROTOCOLS


def _take_stock(client: Client, objects: Sequence[Raw], wanted: Wanted) -> Inventory:
    """What is to be paired: pods and nodes among the objects, and what the API holds of Services."""
    return Inventory(
        pods=[Pod.parse(one) for one in objects if one["kind"] == PODS.kind],
        nodes=[Node.parse(one) for one in objects if one["kind"] == NODES.kind],
        services=[Service.parse(one) for one in client.list(SERVICES)[0]] if wanted.services else [],
        slices=[EndpointSlice.parse(one) for one in client.list(ENDPOINT_SLICES)[0]] if wanted.services else [],
    )


def _check(lab: Lab, there: Inventory, wanted: Wanted) -> None:
    for namespace in wanted.namespaces:
        if all(pod.key.namespace != namespace for pod in there.pods):
            names = ", ".join(sorted({pod.key.namespace for pod in there.pods})) or "none"
            raise NotFound.of(f'no pods in namespace "{namespace}" of lab "{lab.name}"; namespaces with pods: {names}')
    if missing := [one for one in wanted.protocols if one not in wanted.kernel]:
        raise PodwireError(f"{', '.join(missing)} cannot be tried: this kernel has none; podwire doctor says more")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
