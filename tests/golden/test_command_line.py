"""What the command line says where it cannot do what was asked: one clear line a problem, an exit code, no traceback.

A case's golden file holds the command as typed, its exit code, and all it printed on stderr.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import main
from lab import doctor, state
from lab.state import RUNNING, Lab

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent / "command_line"
FILES = {
    "two.yaml": "kind: Cluster\n---\nkind: Cluster\n",
    "broken.yaml": "kind: [Cluster\n",
    "empty.yaml": "---\n",
    "junk.yaml": "\udcff",
    "list.yaml": "- kind: Cluster\n",
    "pod.yaml": json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": 1}}),
}
CASES = {
    "lab-not-found": "kubeconfig nowhere",
    "lab-not-found-down": "down first nowhere",
    "lab-not-found-exec": "exec nowhere web -- true",
    "lab-not-found-apply": "apply nowhere -f pod.yaml",
    "lab-not-found-matrix": "matrix nowhere",
    "lab-not-found-policy-ls": "policy ls nowhere",
    "lab-not-found-policy-log": "policy log nowhere",
    "policy-log-since": "policy log first --since yesterday",
    "policy-log-tail": "policy log first --tail=-1",
    "lab-not-found-draw": "draw nowhere",
    "lab-not-found-fault": "fault nowhere link-down a:b",
    "fault-kind": "fault first explode a:b",
    "fault-link": "fault first link-down leaf1",
    "fault-loss": "fault first link-loss a:b --percent 101",
    "fault-groups": "fault first partition node1,node2 node2",
    "fault-ls": "fault first ls leaf1",
    "fault-for": "fault first pod-kill web --for 3",
    "draw-missing": "draw absent.yaml",
    "draw-suffix": "draw two.yaml --out two.pdf",
    "draw-no-folder": "draw two.yaml --out absent/two.svg",
    "down-what": "down",
    "down-all-and-some": "down first --all",
    "exec-without-command": "exec first web --",
    "name-in-use": "up --name second",
    "name-too-long": f"up --name {'a' * 64}",
    "name-bad": "up --name ../x",
    "cluster-missing": "up absent.yaml",
    "cluster-folder": "up .",
    "cluster-two-documents": "up two.yaml",
    "cluster-no-yaml": "up broken.yaml",
    "cluster-no-object": "up list.yaml",
    "cluster-empty": "up empty.yaml",
    "cluster-no-text": "up junk.yaml",
    "manifest-missing": "up -f absent.yaml",
    "manifest-wrong": "up -f pod.yaml",
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with files, and two labs that run: somebody holds their locks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, errors="surrogateescape")
    claims = [state.claim(name) for name in ("first", "second")]
    for claim in claims:
        state.write(Lab(claim.name, claim.folder, 0, "", ("node1",), RUNNING))
    yield
    for claim in claims:
        claim.release()


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    code = main.run(shlex.split(command))
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return f"$ podwire {command}\nexit code {code}\n{err}"


@pytest.mark.parametrize("case", sorted(CASES))
def test_command(case: str, golden: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str]) -> None:
    golden(FOLDER / f"{case}.txt", run(CASES[case], capsys))


def test_every_golden_file_has_its_case() -> None:
    others = {"no-tun", "no-programs", "internal-error"}
    assert {file.stem for file in FOLDER.iterdir()} == set(CASES) | others


def test_no_permission(
    golden: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(doctor, "TUN", Path("/dev/null"))  # there on every machine
    monkeypatch.setattr(os, "access", lambda path, mode: path != doctor.TUN and access(path, mode))
    golden(FOLDER / "no-tun.txt", run("up", capsys))


def test_missing_programs(
    golden: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "environment", lambda: {"PATH": "/nowhere"})
    golden(FOLDER / "no-programs.txt", run("up", capsys))


def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(
    golden: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble() -> None:
        raise RuntimeError("a fault\nof our own")

    monkeypatch.setattr(state, "labs", stumble)
    text = run("ls", capsys)
    written = re.search(r"traceback in (.*)\)", text)
    assert written is not None
    log = Path(written.group(1))
    assert "RuntimeError: a fault" in log.read_text()
    log.unlink()
    golden(FOLDER / "internal-error.txt", text.replace(str(log), "LOG"))


@pytest.mark.parametrize(
    "command",
    ["nonsense", "up --nonsense", "matrix", "exec first", "matrix first --port 0", "matrix first --to moon", "up a b"],
)
def test_wrong_use_is_one_line_and_exit_code_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The words are typer's, and change with its version."""
    first, second, *lines = run(command, capsys).splitlines()
    assert (first, second) == (f"$ podwire {command}", "exit code 2")
    assert len(lines) == 1
    assert lines[0].startswith("podwire: ")
