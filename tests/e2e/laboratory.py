"""Labs for tests: brought up by the command line in a home of their own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFESTS = CHECKOUT.parent / "shared" / "manifests"
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Podwire:
    """The command `podwire` with a state folder of its own."""

    home: Path
    python: tuple[str, ...] = (sys.executable,)  # who runs it, and as whom

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PODWIRE_HOME": str(self.home), "COLUMNS": "200"}

    def argv(self, *arguments: str) -> list[str]:
        return [*self.python, "-m", "cli.main", *arguments]

    def __call__(self, *arguments: str, text: str = "") -> Done:
        """Run it to its end, whatever that is."""
        return subprocess.run(
            self.argv(*arguments),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=CHECKOUT,
            timeout=300,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it, in a process group of its own."""
        return subprocess.Popen(
            self.argv(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=CHECKOUT,
            start_new_session=True,
        )

    def said(self, *arguments: str, text: str = "") -> str:
        """What it prints when all goes well."""
        done = self(*arguments, text=text)
        assert done.returncode == 0, f"podwire {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.said(*arguments, "--json"))


@dataclass(frozen=True)
class RunningLab:
    """A lab that is up."""

    podwire: Podwire
    name: str

    @property
    def folder(self) -> Path:
        return self.podwire.home / "labs" / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        pid: int = json.loads((self.folder / "lab.json").read_text())["pid"]
        return pid

    def exec(self, place: str, *argv: str, text: str = "") -> Done:
        return self.podwire("exec", self.name, place, "--", *argv, text=text)

    def start(self, place: str, *argv: str) -> subprocess.Popen[str]:
        """Start a command there; it ends with the block of its context, if not before."""
        return self.podwire.start("exec", self.name, place, "--", *argv)

    def apply(self, *objects: dict[str, Any]) -> str:
        """Apply objects and wait until they are ready."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.podwire.said("apply", self.name, "-f", "-", "--wait", text=manifest)

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def pods(self, selector: str = "") -> list[dict[str, Any]]:
        pods: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-o", "json", "-l", selector))["items"]
        return pods

    def matrix(self, *options: str) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = self.podwire.json("matrix", self.name, *options)
        return cells

    def among(self, app: str) -> list[dict[str, Any]]:
        """The matrix between the pods of one Deployment, whatever becomes of the lab's others meanwhile."""
        done = self.podwire("matrix", self.name, "--json")
        assert done.returncode in (0, 1), done.stderr
        return [cell for cell in json.loads(done.stdout) if all(f"/{app}-" in cell[end] for end in ("from", "to"))]

    def process(self, *words: str) -> psutil.Process | None:
        """The lab's process whose command line has all these words, while it lives."""
        found = [one for one in psutil.Process(self.pid).children(recursive=True) if set(words) <= _words(one)]
        assert len(found) < 2, f"{words}: {found}"
        return found[0] if found else None

    def log_tails(self, lines: int = 15) -> str:
        logs = sorted((self.folder / "log").glob("*.log"))
        return "\n".join(f"-- {log.name}\n" + "\n".join(_tail(log, lines)) for log in logs)


@dataclass
class Laboratory:
    """Brings labs up, and all of them down at the end."""

    podwire: Podwire
    labs: dict[str, RunningLab] = field(default_factory=dict)

    def up(self, name: str, *arguments: str, manifests: Sequence[Path] = ()) -> RunningLab:
        """The lab of that name; brought up the first time it is asked for."""
        if name not in self.labs:
            files = [word for manifest in manifests for word in ("-f", str(manifest))]
            self.podwire.said("up", *arguments, "--name", name, *files, "--timeout", "120")
            self.labs[name] = RunningLab(self.podwire, name)
        return self.labs[name]

    def down(self, name: str) -> None:
        del self.labs[name]
        self.podwire.said("down", name)

    def close(self) -> None:
        self.podwire("down", "--all")


def _words(process: psutil.Process) -> set[str]:
    try:
        return {process.name(), *process.cmdline()}
    except psutil.Error:  # gone by now
        return set()


def _tail(log: Path, lines: int) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-lines:]


def deployment(name: str, replicas: int, *ports: tuple[int, str]) -> dict[str, Any]:
    """A Deployment of stand-ins."""
    declared = [{"containerPort": port, "protocol": protocol} for port, protocol in ports]
    pod = {"containers": [{"name": "main", "image": "stand-in", "ports": declared}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }
