"""`python -m k8sshim.server` as it is typed: sockets of its own, and wrong use told in one line."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from api_process import ROOT, ApiProcess, wait_until

from k8sshim import pki

pytestmark = pytest.mark.contract


def command(folder: Path, *more: str) -> list[str]:
    pki.create(folder / "pki", service_cidrs=["10.96.0.0/16"], now=datetime.now(timezone.utc))
    argv = [sys.executable, "-m", "k8sshim.server", "--store", str(folder / "store.sqlite")]
    return [*argv, "--pki", str(folder / "pki"), "--service-cidr", "10.96.0.0/16", *more]


def refused(argv: list[str]) -> tuple[int, str]:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    listen = [word for port in ports for word in ("--listen", f"127.0.0.1:{port}")]
    process = subprocess.Popen(command(tmp_path, *listen), cwd=ROOT, stderr=subprocess.DEVNULL)

    def reachable(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        for port in ports:
            wait_until(lambda port=port: reachable(port))  # type: ignore[misc]
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = refused(command(tmp_path, "--listen", f"127.0.0.1:{port}"))
        assert (code, "Address already in use" in line) == (1, True)
    assert refused(command(tmp_path, "--listen", "6443")) == (
        2,
        "podwire: API server: --listen: is '6443', expected HOST:PORT",
    )
    assert refused(command(tmp_path))[0] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("{}", "is no list of objects"),
        ('[{"kind": "Widget", "metadata": {"name": "w"}}]', "w: has no known apiVersion and kind"),
        ('[{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "N1"}}]', "metadata.name"),
    ],
)
def test_bad_bootstrap_objects(tmp_path: Path, text: str, message: str) -> None:
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(text)
    code, line = refused(command(tmp_path, "--bootstrap", str(bootstrap), "--listen", "127.0.0.1:0"))
    assert code == 2
    assert message in line


def test_a_store_that_is_none_or_in_use(tmp_path: Path, api_server: ApiProcess) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "store.sqlite").write_text("no database" * 100)
    code, line = refused(command(folder, "--listen", "127.0.0.1:0"))
    assert (code, "file is not a database" in line) == (2, True)
    argv = command(folder, "--listen", "127.0.0.1:0")
    argv[argv.index("--store") + 1] = str(api_server.folder / "store.sqlite")
    code, line = refused(argv)
    assert (code, "database is locked" in line) == (2, True)
