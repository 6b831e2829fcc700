"""`podwire exec`: a command in the network of a pod or node, as if it had been typed there."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest
from laboratory import RunningLab, deployment

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pod(lab: RunningLab) -> str:
    """The name of a pod that stands in for an image."""
    lab.apply(deployment("executed", 1, (80, "TCP")))
    name: str = lab.pods("app=executed")[0]["metadata"]["name"]
    return name


def test_the_exit_code_and_both_outputs_are_the_commands(lab: RunningLab) -> None:
    done = lab.exec("node1", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_stdin_is_passed_on(lab: RunningLab, pod: str) -> None:
    assert lab.exec(pod, "tr", "a-z", "A-Z", text="through the wall").stdout == "THROUGH THE WALL"


def test_a_pod_is_found_with_and_without_its_namespace_and_has_its_own_address(lab: RunningLab, pod: str) -> None:
    address = lab.pods("app=executed")[0]["status"]["podIP"]
    for name in (pod, f"default/{pod}"):
        assert address in lab.exec(name, "ip", "-4", "-br", "addr", "show", "eth0").stdout


def test_options_after_the_dashes_are_the_commands(lab: RunningLab) -> None:
    assert (
        lab.exec("node2", "echo", "--json", "--", "-x", "a b", "$HOME; `id`").stdout == "--json -- -x a b $HOME; `id`\n"
    )


def test_a_command_that_is_not_there_is_127(lab: RunningLab) -> None:
    assert lab.exec("node1", "no-such-command").returncode == 127


def test_a_command_has_the_terminal_of_its_caller(lab: RunningLab) -> None:
    master, terminal = pty.openpty()
    argv = lab.podwire.argv("exec", lab.name, "node1", "--", "sh", "-c", "test -t 0 && test -t 1 && tty")
    running = subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal, env=lab.podwire.environment)
    assert running.wait(60) == 0
    os.close(terminal)
    assert b"/dev/pts/" in os.read(master, 1000)
    os.close(master)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("nobody", 'no pod or node "nobody" in lab "shared"; nodes: node1, node2, node3; outside: HOST; pods: '),
        ("far/away", 'no pod or node "far/away" in lab "shared"; nodes: node1, node2, node3; outside: HOST; pods: '),
    ],
)
def test_an_unknown_place_is_one_line_that_says_what_there_is(lab: RunningLab, place: str, line: str) -> None:
    done = lab.exec(place, "true")
    assert done.returncode == 2
    assert done.stderr.startswith(f"podwire: {line}")
    assert len(done.stderr.splitlines()) == 1
