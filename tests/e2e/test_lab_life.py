"""Labs come up, are listed, run side by side and go down, and leave nothing behind however they end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from laboratory import Laboratory, Podwire, RunningLab, deployment
from processes import gone

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e


def names(folder: str) -> list[str]:
    return sorted(entry.name for entry in Path(folder).iterdir()) if Path(folder).is_dir() else []


def host_state() -> dict[str, list[str]]:
    """What a lab could leave on this machine."""
    return {
        "links": names("/sys/class/net"),
        "mounts": sorted(Path("/proc/self/mounts").read_text().splitlines()),
        "namespaces": names("/run/netns"),
    }


def processes_of(lab: RunningLab) -> list[psutil.Process]:
    """Every process of a lab: its sandbox's outer end, and all in it."""
    outer = psutil.Process(lab.pid).parent()
    assert outer is not None
    return [outer, *outer.children(recursive=True)]


def test_up_without_arguments_gives_three_nodes_and_down_takes_all_of_it_away(podwire: Podwire) -> None:
    before = host_state()
    told = json.loads(podwire.said("up", "--json"))
    lab = RunningLab(podwire, "podwire")
    assert told == {"name": "podwire", "kubeconfig": str(lab.kubeconfig)}
    assert lab.kubectl("get", "nodes", "-o", "name").split() == ["node/node1", "node/node2", "node/node3"]
    processes = processes_of(lab)
    assert len(processes) > 8
    assert podwire.said("down", "podwire") == "podwire is down\n"
    assert gone(processes)
    assert not lab.folder.exists()
    assert host_state() == before


def test_ls_tells_what_the_contract_says(laboratory: Laboratory, quiet: RunningLab) -> None:
    quiet.apply(deployment("counted", 2))
    rows = {row["name"]: row for row in laboratory.podwire.json("ls")}
    assert rows["quiet"] == {
        "name": "quiet",
        "pid": quiet.pid,
        "state": "running",
        "nodes": 3,
        "pods": 2,
        "kubeconfig": str(quiet.kubeconfig),
    }
    assert Path(f"/proc/{quiet.pid}/cmdline").read_bytes().split(b"\0")[1:3] == [b"-m", b"lab.supervisor"]
    assert "quiet" in laboratory.podwire.said("ls")


def test_the_kubeconfig_is_its_owners_alone(lab: RunningLab, podwire: Podwire) -> None:
    assert podwire.said("kubeconfig", "shared") == f"{lab.kubeconfig}\n"
    assert lab.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert lab.folder.stat().st_mode & 0o777 == 0o700


def test_a_name_in_use_is_one_line_and_exit_code_2(lab: RunningLab, podwire: Podwire) -> None:
    done = podwire("up", "--name", "shared")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('podwire: cluster name "shared" is in use')
    assert len(done.stderr.splitlines()) == 1


def test_kill_9_of_the_supervisor_leaves_the_state_folder_alone_and_ls_tidies_it(laboratory: Laboratory) -> None:
    before = host_state()
    lab = laboratory.up("killed")
    processes = processes_of(lab)
    os.kill(lab.pid, signal.SIGKILL)
    assert wait_until(lambda: gone(processes), 10)
    assert host_state() == before
    assert lab.folder.is_dir()
    assert "killed" not in [row["name"] for row in laboratory.podwire.json("ls")]
    assert not lab.folder.exists()
    del laboratory.labs["killed"]


def test_up_takes_the_name_of_a_lab_that_was_killed(laboratory: Laboratory) -> None:
    first = laboratory.up("again")
    pid = first.pid
    os.kill(pid, signal.SIGKILL)
    del laboratory.labs["again"]
    assert wait_until(lambda: not psutil.pid_exists(pid), 10)
    second = laboratory.up("again")
    assert second.pid != pid
    assert second.exec("node1", "true").returncode == 0
    laboratory.down("again")


def test_two_labs_of_the_same_shape_run_side_by_side(laboratory: Laboratory, lab: RunningLab) -> None:
    other = laboratory.up("beside")
    addresses = [one.exec("node1", "ip", "-4", "-br", "addr", "show", "eth0").stdout.split()[2] for one in (lab, other)]
    assert addresses[0] == addresses[1]
    assert other.exec("node1", "ping", "-c", "1", "-W", "5", "172.30.0.4").returncode == 0
    laboratory.down("beside")
    assert lab.exec("node1", "ping", "-c", "1", "-W", "5", "172.30.0.4").returncode == 0


def test_of_two_that_want_a_name_at_once_one_wins(podwire: Podwire) -> None:
    both = [podwire.start("up", "--name", "raced") for _ in range(2)]
    ended = [(one.communicate(timeout=120)[1], one.returncode) for one in both]
    assert sorted(code for _, code in ended) == [0, 2], ended
    assert 'cluster name "raced" is in use' in next(text for text, code in ended if code == 2)
    podwire.said("down", "raced")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_takes_the_lab_down_again(podwire: Podwire, number: signal.Signals) -> None:
    before = host_state()
    starting = podwire.start("up", "--name", "interrupted")
    folder = podwire.home / "labs" / "interrupted"
    assert wait_until((folder / "lab.json").exists, 30)
    processes = processes_of(RunningLab(podwire, "interrupted"))
    starting.send_signal(number)
    _, text = starting.communicate(timeout=30)
    assert starting.returncode == 130, text
    assert gone(processes)
    assert not folder.exists()
    assert host_state() == before


def test_pods_that_cannot_become_ready_are_named_and_the_lab_stays(podwire: Podwire, tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "homeless"},
        "spec": {"nodeSelector": {"disk": "none"}, "containers": [{"name": "c", "image": "i"}]},
    }
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    done = podwire("up", "--name", "waiting", "-f", str(tmp_path / "pod.yaml"), "--timeout", "25")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith('podwire: lab "waiting" is up, but not ready in time: 1 of 1 pods: pod default/homeless: ')
    assert [row["state"] for row in podwire.json("ls") if row["name"] == "waiting"] == ["running"]
    podwire.said("down", "waiting")
