"""A lab of somebody who is not root: the same lab, in a user namespace of its own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from laboratory import CHECKOUT, Laboratory, Podwire, RunningLab, deployment

pytestmark = pytest.mark.e2e

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all")
TUN = Path("/dev/net/tun")
NEEDED = "import lightkube, mininet, os_ken, pyroute2, starlette"


def nobodys_python() -> tuple[str, ...] | None:
    """How to run Python, with podwire and its libraries, as somebody who may do nothing; None where that cannot be."""
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([str(CHECKOUT), *libraries])
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        argv = (*AS_NOBODY, "env", f"PYTHONPATH={path}", "PYTHONDONTWRITEBYTECODE=1", "HOME=/nonexistent", python)
        again = f"{NEEDED}; import os, sys; os.execv(sys.executable, [sys.executable, '-c', {NEEDED!r}])"
        if (
            shutil.which(python)
            and not subprocess.run([*argv, "-c", again], capture_output=True, check=False).returncode
        ):
            return argv
    return None


def with_everybodys_tun(folder: Path) -> tuple[str, ...]:
    """How to run a command that may open /dev/net/tun, as on any distribution; the machine's own stays as it is."""
    if TUN.stat().st_mode & 0o006 == 0o006:
        return ()
    node = folder / "tun"
    os.mknod(node, stat.S_IFCHR | 0o666, TUN.stat().st_rdev)
    node.chmod(0o666)
    mount = 'mount --bind "$0" /dev/net/tun && exec "$@"'
    return ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", mount, str(node))


@pytest.fixture(scope="module")
def nobodys() -> Iterator[RunningLab]:
    """A lab that belongs to nobody."""
    if os.geteuid() != 0:
        pytest.skip("not root: every other test here is this test")
    if not TUN.exists():
        pytest.skip("there is no /dev/net/tun")
    python = nobodys_python()
    if python is None:
        pytest.skip("nobody may not run this Python and its libraries")
    home = Path("/tmp") / f"podwire-nobody-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    laboratory = Laboratory(Podwire(home, (*with_everybodys_tun(home), *python)))
    yield laboratory.up("nobodys")
    laboratory.close()
    shutil.rmtree(home)


def test_pods_reach_one_another_and_services(nobodys: RunningLab) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "plain"},
        "spec": {"selector": {"app": "plain"}, "ports": [{"port": 8000, "targetPort": 80}]},
    }
    nobodys.apply(deployment("plain", 4, (80, "TCP")), service)
    cells = [*nobodys.matrix(), *nobodys.matrix("--to", "service", "--port", "8000")]
    plain = [cell for cell in cells if cell["to"].startswith("default/plain")]
    assert len(plain) == 4 * 3 + 4
    assert [cell for cell in plain if not cell["allowed"]] == []


def test_exec_reaches_pods_and_nodes_and_keeps_exit_codes(nobodys: RunningLab) -> None:
    assert nobodys.exec("node1", "sh", "-c", "id -u; exit 4").returncode == 4
    assert nobodys.exec("node1", "ping", "-c", "1", "-W", "5", "172.30.0.3").returncode == 0


def test_the_supervisor_is_nobodys_and_down_takes_it_away(nobodys: RunningLab) -> None:
    pid = nobodys.pid
    assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
    assert nobodys.podwire.said("down", "nobodys") == "nobodys is down\n"
    assert not Path(f"/proc/{pid}").exists()
