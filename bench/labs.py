"""Labs for benchmarks: brought up and taken down by the command line, as a user does, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw

PORT = 8080
_UP_S = 300


@dataclass(frozen=True)
class Bench:
    """The command line on a state folder of the benchmark's own."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PODWIRE_HOME": str(self.home)}

    def podwire(self, *arguments: str) -> str:
        """What a command prints. Raises PodwireError with what it says where it fails."""
        argv = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PodwireError(f"podwire {arguments[0]}: {' '.join(done.stderr.split()[-40:])}")
        return done.stdout

    def up(self, name: str, cluster: Path, manifests: Path) -> float:
        """Bring a lab up; the seconds until its pods were ready."""
        begin = time.monotonic()
        self.podwire("up", str(cluster), "--name", name, "-f", str(manifests), "--timeout", str(_UP_S))
        return time.monotonic() - begin

    def down(self, name: str) -> float:
        """Take a lab down; the seconds it took."""
        begin = time.monotonic()
        self.podwire("down", name)
        return time.monotonic() - begin

    def supervisor(self, name: str) -> int:
        """The process id of a lab's supervisor."""
        return int(json.loads((self.home / "labs" / name / "lab.json").read_text())["pid"])

    def write(self, name: str, objects: Sequence[Raw]) -> Path:
        """A file of objects, for a command to read."""
        path = self.home / name
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        return path

    def write_cluster(self, nodes: int, **spec: Any) -> Path:
        """A cluster's description."""
        path = self.home / f"cluster-{nodes}.yaml"
        raw = {"metadata": {"name": "bench"}, "spec": {"nodes": nodes, **spec}}
        path.write_text(json.dumps({"apiVersion": CLUSTER_API_VERSION, "kind": "Cluster", **raw}))
        return path


@contextmanager
def bench() -> Iterator[Bench]:
    """A state folder for a benchmark; labs in it are taken down at the end, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as home:
        one = Bench(Path(home))
        try:
            yield one
        finally:
            with suppress(PodwireError):
                one.podwire("down", "--all")


def deployment(name: str, replicas: int) -> Raw:
    """Pods of one port each, answered for by the node agent."""
    container = {"name": name, "image": f"example/{name}", "ports": [{"containerPort": PORT}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def service(name: str) -> Raw:
    """A Service in front of such a Deployment."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]},
    }
