"""A lab of 3 nodes and 20 pods: how soon it is ready and down, what it weighs, and what kill -9 leaves behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bench.footprint import Footprint, look, memory_mib
from bench.labs import Bench, bench, deployment, service
from bench.outcome import AT_MOST, Figure, Outcome
from lab.waiting import wait_until

NODES, DEPLOYMENTS, REPLICAS = 3, ("web", "api", "cache", "worker"), 5
REPETITIONS, ROUNDS = 7, 50
_NAME = "bench"
_GONE_S = 10.0  # for the kernel to end a sandbox


def ready_and_down() -> Outcome:
    """Seconds from the command to ready pods, and from the command to nothing."""
    with bench() as one:
        cluster, manifests = _inputs(one)
        times = [(one.up(_NAME, cluster, manifests), one.down(_NAME)) for _ in range(REPETITIONS)]
    ready, down = zip(*times, strict=True)
    return Outcome(
        (
            Figure("3 nodes, 20 pods: up until all are ready", AT_MOST, 6.0, "s", ready),
            Figure("3 nodes, 20 pods: down", AT_MOST, 1.0, "s", down),
        )
    )


def memory() -> Outcome:
    """What all processes of the lab have in memory, each time in a lab brought up anew."""
    sizes = []
    with bench() as one:
        cluster, manifests = _inputs(one)
        for _ in range(REPETITIONS):
            one.up(_NAME, cluster, manifests)
            sizes.append(memory_mib(one.supervisor(_NAME)))
            one.down(_NAME)
    pss, rss = zip(*sizes, strict=True)
    return Outcome(
        (
            Figure("3 nodes, 20 pods: memory, shared pages once (PSS)", AT_MOST, 500.0, "MiB", pss),
            Figure("3 nodes, 20 pods: memory, each process alone (RSS)", AT_MOST, 500.0, "MiB", rss),
        )
    )


def kill() -> Outcome:
    """Rounds of up, kill -9 of the supervisor, up: each up works, and between them nothing is left."""
    left: list[float] = []
    notes: list[str] = []
    with bench() as one:
        cluster, manifests = _inputs(one)
        before = look(one.home)
        for number in range(1, ROUNDS + 1):
            one.up(_NAME, cluster, manifests)
            os.kill(one.supervisor(_NAME), signal.SIGKILL)
            beyond = _leftovers(one.home, before)
            left.append(sum(map(len, beyond.values())))
            notes += [f"round {number}: {kind}: {', '.join(names[:5])}" for kind, names in beyond.items()]
        one.up(_NAME, cluster, manifests)
        one.down(_NAME)
        files = [str(path.relative_to(one.home)) for path in (one.home / "labs").iterdir()]
    if files:
        notes.append(f"after down: files: {', '.join(files)}")
    return Outcome(
        (Figure(f"left behind after kill -9, worst of {ROUNDS} rounds", AT_MOST, 0.0, "", (max(left),)),), tuple(notes)
    )


def _inputs(one: Bench) -> tuple[Path, Path]:
    objects = [made for name in DEPLOYMENTS for made in (deployment(name, REPLICAS), service(name))]
    (one.home / "labs").mkdir()
    return one.write_cluster(NODES), one.write("manifests.json", objects)


def _leftovers(home: Path, before: Footprint) -> dict[str, list[str]]:
    """What is there beyond what was before, once the kernel has had its time."""
    wait_until(lambda: not look(home).beyond(before), _GONE_S)
    return look(home).beyond(before)
