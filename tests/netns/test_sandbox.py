"""Sandboxes of real namespaces: what is inside, how they are entered, and that nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes import gone

from lab import sandbox
from lab.waiting import wait_until

pytestmark = pytest.mark.netns

Popen = subprocess.Popen[str]
# Makes what a lab has: links, a named namespace, a mount, and processes that nobody waits for; then says so and stays.
BUSY = """
set -e
ip link add left type veth peer name right
ip netns add room
mkdir /run/held; mount -t tmpfs held /run/held
setsid sleep 600 &
( setsid sleep 601 & )
echo ready
exec sleep 602
"""


def run(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def host_state() -> dict[str, object]:
    return {
        "links": sorted(entry.name for entry in Path("/sys/class/net").iterdir()),
        "mounts": sorted(Path("/proc/self/mounts").read_text().splitlines()),
        "namespaces": run("ip", "netns", "list").stdout,
        "run": sorted(entry.name for entry in Path("/run").iterdir()),
    }


@pytest.fixture
def busy() -> Iterator[Popen]:
    """A sandbox with a life of its own; the process is its outer end."""
    process = subprocess.Popen(sandbox.create_argv(["sh", "-c", BUSY]), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def first_process(outer: Popen) -> int:
    (child,) = psutil.Process(outer.pid).children()
    return child.pid


@pytest.mark.parametrize("end", ["first process", "outer end"])
def test_kill_9_leaves_no_process_link_namespace_or_mount(end: str) -> None:
    before = host_state()
    process = subprocess.Popen(sandbox.create_argv(["sh", "-c", BUSY]), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    inside = psutil.Process(process.pid).children(recursive=True)
    assert len(inside) == 3
    os.kill(first_process(process) if end == "first process" else process.pid, signal.SIGKILL)
    assert wait_until(lambda: gone(inside), 10)
    process.wait(10)
    process.stdout.close()
    assert host_state() == before


def test_inside_is_a_machine_of_its_own() -> None:
    script = "echo $$ $PODWIRE_SANDBOX; ls /run; ip -br link; ping -c1 127.0.0.1 | tail -1"
    pid_and_mark, run_folder, link, *ping = run(*sandbox.create_argv(["sh", "-c", script])).stdout.splitlines()
    assert pid_and_mark == "1 1"
    assert run_folder == "netns"
    assert link.split()[0] == "lo"
    assert "UP" in link
    assert ping[-1].startswith("rtt")


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_the_commands(code: int) -> None:
    done = run(sys.executable, "-m", "lab.sandbox", "--", "sh", "-c", f"exit {code}")
    assert (done.returncode, done.stderr) == (code, "")


def test_a_command_that_is_not_there() -> None:
    done = run(*sandbox.create_argv(["no-such-command"]))
    assert (done.returncode, done.stderr) == (127, "podwire: cannot run no-such-command: No such file or directory\n")


def test_stdin_files_and_folder_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("")
    reading, writing = os.pipe()
    script = f"import os; print(os.listdir(), input()); os.write({writing}, b'over')"
    argv = sandbox.create_argv([sys.executable, "-c", script])
    done = run(*argv, input="typed", cwd=tmp_path, pass_fds=(writing,))
    os.close(writing)
    assert done.stdout == "['here'] typed\n"
    assert os.read(reading, 100) == b"over"
    os.close(reading)


def test_entering_joins_every_namespace(busy: Popen) -> None:
    pid = first_process(busy)
    kinds = ("net", "mnt", "pid", "ipc", "uts", "user")
    theirs = [str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in kinds]
    done = run(*sandbox.enter_argv(pid, ["readlink", *(f"/proc/self/ns/{kind}" for kind in kinds)]))
    assert done.stdout.split() == theirs
    assert "left" in run(*sandbox.enter_argv(pid, ["ip", "-br", "link"])).stdout


def test_entering_a_named_namespace(busy: Popen) -> None:
    pid = first_process(busy)
    assert run(*sandbox.enter_argv(pid, ["ip", "-br", "link"], netns="room")).stdout.split()[:2] == ["lo", "DOWN"]
    assert run(*sandbox.enter_argv(pid, ["sh", "-c", "exit 5"], netns="room")).returncode == 5


def test_what_was_entered_dies_with_the_sandbox(busy: Popen) -> None:
    visitor = subprocess.Popen(
        sandbox.enter_argv(first_process(busy), ["sh", "-c", "echo in; exec sleep 600"]), stdout=-1
    )
    assert visitor.stdout is not None
    assert visitor.stdout.readline() == b"in\n"
    os.kill(first_process(busy), signal.SIGKILL)
    assert visitor.wait(10) != 0
    visitor.stdout.close()
