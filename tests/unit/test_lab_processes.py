"""What the supervisor decides by itself (pauses, words, components, events), and how sandboxes are entered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8sshim.cluster import NODE_PORTS
from lab import doctor, lifecycle, sandbox
from lab.assembly import describe
from lab.components import components
from lab.events import ENDED, TOPOLOGY, Event, Listener, tell
from lab.features import FEATURES, Feature
from lab.inventory import pod_key
from lab.keeper import next_pause_s
from lab.launch import last_line
from lab.state import STARTING, Lab

pytestmark = pytest.mark.unit


def test_pauses_grow_while_a_component_keeps_dying_up_to_a_limit() -> None:
    pauses, pause_s = [], 0.0
    for _ in range(9):
        pause_s = next_pause_s(pause_s, lived_s=0.2)
        pauses.append(pause_s)
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_a_component_that_lived_long_is_started_again_at_once() -> None:
    assert next_pause_s(5.0, lived_s=60.0) == pytest.approx(0.1)


def test_exit_codes_in_words() -> None:
    assert describe(3) == "exit code 3"
    assert describe(-9) == "killed by SIGKILL"


def test_only_the_api_server_inherits_the_listening_sockets() -> None:
    by_name = {
        one.name: one for one in components(Path("/lab"), ("10.96.0.0/16", "fd00::/112"), (20000, 20100), (7, 8))
    }
    assert {name: one.descriptors for name, one in by_name.items() if one.descriptors} == {"api-server": (7, 8)}
    argv = " ".join(by_name["api-server"].argv)
    assert "--service-cidr 10.96.0.0/16 --service-cidr fd00::/112" in argv
    assert "--node-ports 20000-20100" in argv
    assert "--rbac" not in argv
    assert "--listen-fd 7 --listen-fd 8" in argv
    assert set(by_name) == {"api-server", "controllers", "openflow", "agent", "outside-host", "outside-dns"}


def test_the_api_server_is_told_of_rbac() -> None:
    found = components(Path("/lab"), ("10.96.0.0/16",), (20000, 20100), (7,), rbac=True)
    assert [one.name for one in found if "--rbac" in one.argv] == ["api-server"]


def test_containers_see_no_labs_folder() -> None:
    by_name = {one.name: one for one in components(Path("/srv/podwire/labs/a"), ("10.96.0.0/16",), NODE_PORTS, (7, 8))}
    assert "--hide /srv/podwire/labs" in " ".join(by_name["agent"].argv)


def test_events_come_through_the_pipe_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    listener = Listener(reading)
    assert list(listener.events(0)) == []
    tell(writing, Event(TOPOLOGY))
    os.write(writing, b'{"kind": "ended", "component": "agent", ')
    assert list(listener.events(0)) == [Event(TOPOLOGY)]
    os.write(writing, b'"message": "exit code 1"}\n')
    assert list(listener.events(0)) == [Event(ENDED, "agent", "exit code 1")]
    os.close(writing)
    assert list(listener.events(1)) == []
    assert listener.closed
    os.close(reading)


def test_nobody_who_fails_to_read_events_holds_the_supervisor_up() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for _ in range(5000):  # more than a pipe holds
        tell(writing, Event(TOPOLOGY))
    listener = Listener(reading)
    assert set(listener.events(0)) == {Event(TOPOLOGY)}
    os.close(reading)
    tell(writing, Event(TOPOLOGY))  # no error
    os.close(writing)


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("Traceback\n  x\nValueError: why\n\n")
    assert last_line(log) == "ValueError: why"


def test_entering_names_every_namespace_and_passes_arguments_as_they_are() -> None:
    argv = sandbox.enter_argv(os.getpid(), ["echo", "a b", "; rm"], netns="pod-1")
    assert argv[0] == "nsenter"
    assert f"--net=/proc/{os.getpid()}/root/run/netns/pod-1" in argv
    assert {"--mount", "--pid", "--ipc", "--uts"} < set(argv)
    assert "--user" not in argv  # ours already
    assert argv[-3:] == ["echo", "a b", "; rm"]


def test_a_command_that_looks_like_a_variable_is_a_command() -> None:
    argv = sandbox.enter_argv(os.getpid(), ["A=B"])
    assert argv[argv.index("env") :] == ["env", "PODWIRE_SANDBOX=1", "setpriv", "--pdeathsig", "TERM", "--", "A=B"]


@pytest.mark.parametrize(("text", "key"), [("web", "default/web"), ("shop/web", "shop/web")])
def test_pods_on_the_command_line(text: str, key: str) -> None:
    assert str(pod_key(text)) == key


def test_a_feature_that_works_and_one_that_does_not() -> None:
    works = Feature("works", ("echo", "version 1\nmore"), "nothing", "nowhere", shows=True)
    fails = Feature("fails", ("sh", "-c", "echo why >&2; exit 3"), "a lot", "apt-get install it")
    absent = Feature("absent", ("no-such-program",), "a lot", "apt-get install it")
    assert doctor.try_out(works) == doctor.Finding("works", True, "version 1", "nothing", "nowhere")
    assert doctor.try_out(fails) == doctor.Finding("fails", False, "why", "a lot", "apt-get install it")
    assert doctor.try_out(absent).detail == "not installed"


def test_a_lab_can_run_if_all_that_is_required_is_found() -> None:
    fine = Feature("fine", ("true",), "c", "r", required=True)
    missing = Feature("missing", ("false",), "c", "r")
    needed = Feature("needed", ("false",), "c", "r", required=True)
    assert doctor.diagnose([fine, missing]).able
    assert not doctor.diagnose([fine, missing, needed]).able


def test_every_feature_says_what_its_absence_costs_and_how_to_get_it() -> None:
    assert all(feature.cost and feature.remedy for feature in FEATURES)
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


def test_a_component_that_keeps_ending_is_told_with_its_last_words(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path, 1, "", (), STARTING)
    lab.log.mkdir()
    (lab.log / "agent.log").write_text("Traceback\nImportError: no module\n")
    error = lifecycle.broken(lab, Event(ENDED, "agent", "exit code 1"))
    log = tmp_path / "log" / "agent.log"
    assert str(error) == f"the lab does not come up: agent: exit code 1: ImportError: no module (log: {log})"
