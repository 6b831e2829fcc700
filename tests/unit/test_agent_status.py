"""A pod's status from the states of its containers, and those states from a status after a restart of the agent."""

import pytest

from k8sshim.objects import Raw
from topo.agent.podspec import PodSpec, parse
from topo.agent.recovery import recover
from topo.agent.status import (
    Address,
    ContainerState,
    Running,
    State,
    Terminated,
    Waiting,
    phase,
    pod_status,
)

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0
NOW_TEXT = "2023-11-14T22:13:20Z"
RUNNING = ContainerState(Running(NOW), started=True, ready=True, kind="stand-in")
WAITING = ContainerState(Waiting("ContainerCreating"))
DONE = Terminated(0, "Completed", "", NOW, NOW)
BROKEN = Terminated(1, "Error", "boom", NOW, NOW)
CRASHING = ContainerState(Waiting("CrashLoopBackOff"), last=BROKEN, restarts=1)


def pod(containers: int = 1, inits: int = 0, policy: str = "Always", sidecar: bool = False) -> PodSpec:
    spec: Raw = {
        "restartPolicy": policy,
        "containers": [{"name": f"c{i}"} for i in range(containers)],
        "initContainers": [{"name": f"i{i}"} for i in range(inits)],
    }
    if sidecar:
        spec["initContainers"].append({"name": "s", "restartPolicy": "Always"})
    return parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})


def ended(state: State) -> ContainerState:
    return ContainerState(state)


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", [WAITING, RUNNING], "Pending"),
        ("Always", [RUNNING, RUNNING], "Running"),
        ("Always", [CRASHING, RUNNING], "Running"),
        ("Always", [ended(DONE), ended(DONE)], "Running"),
        ("OnFailure", [ended(DONE), ended(DONE)], "Succeeded"),
        ("OnFailure", [CRASHING, ended(DONE)], "Running"),
        ("Never", [ended(DONE), RUNNING], "Running"),
        ("Never", [ended(DONE), ended(BROKEN)], "Failed"),
        ("Never", [ended(DONE), ended(DONE)], "Succeeded"),
    ],
)
def test_phase(policy: str, states: list[ContainerState], expected: str) -> None:
    assert phase(pod(2, policy=policy), {f"c{i}": state for i, state in enumerate(states)}) == expected


@pytest.mark.parametrize(
    ("policy", "init", "expected"),
    [
        ("Always", WAITING, "Pending"),
        ("Always", RUNNING, "Pending"),
        ("Always", CRASHING, "Pending"),
        ("Never", ended(BROKEN), "Failed"),
        ("Never", ended(DONE), "Pending"),  # its containers have not started yet
    ],
)
def test_phase_with_init_containers(policy: str, init: ContainerState, expected: str) -> None:
    assert phase(pod(inits=1, policy=policy), {"i0": init, "c0": WAITING}) == expected


def test_phase_waits_for_sidecars() -> None:
    spec = pod(sidecar=True)
    assert phase(spec, {"s": WAITING, "c0": WAITING}) == "Pending"
    assert phase(spec, {"s": RUNNING, "c0": RUNNING}) == "Running"


def status(spec: PodSpec, states: dict[str, ContainerState], previous: Raw | None = None) -> Raw:
    address = Address(("10.244.0.2",), ("172.30.0.2",))
    return pod_status(spec, states, address, started_at=NOW, now=NOW, previous=previous or {})


def conditions(raw: Raw) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in raw["conditions"]}


def test_a_ready_pod() -> None:
    raw = status(pod(), {"c0": RUNNING})
    assert (raw["phase"], raw["podIP"], raw["hostIP"]) == ("Running", "10.244.0.2", "172.30.0.2")
    assert raw["podIPs"] == [{"ip": "10.244.0.2"}]
    assert set(conditions(raw).values()) == {"True"}
    (container,) = raw["containerStatuses"]
    assert container["state"] == {"running": {"startedAt": NOW_TEXT}}
    assert container["containerID"] == "podwire://u/c0/0"
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)


def test_a_pod_is_ready_to_start_containers_while_it_has_its_network() -> None:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-has-network"""
    nowhere = Address((), ("172.30.0.2",))
    waits = pod_status(pod(), {"c0": WAITING}, nowhere, started_at=NOW, now=NOW, previous={})
    assert conditions(waits)["PodReadyToStartContainers"] == "False"
    assert conditions(status(pod(), {"c0": WAITING}))["PodReadyToStartContainers"] == "True"
    assert conditions(status(pod(policy="Never"), {"c0": ended(DONE)}))["PodReadyToStartContainers"] == "False"


def test_one_unready_container_makes_the_pod_unready_and_is_named() -> None:
    raw = status(pod(2), {"c0": RUNNING, "c1": CRASHING})
    assert conditions(raw)["Ready"] == conditions(raw)["ContainersReady"] == "False"
    ready = next(c for c in raw["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [c1]"
    crashed = raw["containerStatuses"][1]
    assert crashed["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert crashed["lastState"]["terminated"] == {
        "exitCode": 1,
        "reason": "Error",
        "message": "boom",
        "startedAt": NOW_TEXT,
        "finishedAt": NOW_TEXT,
        "containerID": "podwire://u/c1/0",
    }


def test_init_containers_have_statuses_of_their_own() -> None:
    raw = status(pod(inits=2), {"i0": ended(DONE), "i1": RUNNING, "c0": WAITING})
    assert conditions(raw)["Initialized"] == "False"
    assert [entry["ready"] for entry in raw["initContainerStatuses"]] == [True, False]
    assert raw["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"


def test_a_condition_keeps_its_time_while_it_does_not_change() -> None:
    before = "2023-01-01T00:00:00Z"
    previous = {
        "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": before},
            {"type": "ContainersReady", "status": "False", "lastTransitionTime": before},
            {"type": "example.com/gate", "status": "True"},
        ]
    }
    times = {c["type"]: c.get("lastTransitionTime") for c in status(pod(), {"c0": RUNNING}, previous)["conditions"]}
    assert (times["Ready"], times["ContainersReady"]) == (before, NOW_TEXT)
    assert "example.com/gate" in times


def test_a_signal_shows_in_the_status() -> None:
    raw = status(pod(policy="Never"), {"c0": ended(Terminated(137, "Error", "", NOW, NOW))})
    assert raw["containerStatuses"][0]["state"]["terminated"]["signal"] == 9
    assert raw["phase"] == "Failed"


def test_a_new_pod_begins_with_nothing() -> None:
    assert recover(pod(), {}, NOW) == {"c0": WAITING}
    assert recover(pod(inits=1), {}, NOW)["c0"] == ContainerState(Waiting("PodInitializing"))


def test_running_containers_are_started_again_and_counted() -> None:
    written = status(pod(), {"c0": ContainerState(Running(NOW), restarts=2)})
    after = recover(pod(), written, NOW + 5)["c0"]
    assert after.restarts == 3
    assert isinstance(after.state, Waiting)
    assert after.last == Terminated(137, "Error", "the node agent was restarted", NOW, NOW + 5)


def test_init_containers_that_succeeded_are_not_run_again() -> None:
    spec = pod(inits=1)
    written = status(spec, {"i0": ended(DONE), "c0": RUNNING})
    states = recover(spec, written, NOW)
    assert isinstance(states["i0"].state, Terminated)
    assert states["i0"].restarts == 0
    assert states["c0"].restarts == 1


def test_what_ended_for_good_stays_ended() -> None:
    spec = pod(2, policy="OnFailure")
    states = recover(spec, status(spec, {"c0": ended(DONE), "c1": ended(BROKEN)}), NOW)
    assert states["c0"].state == DONE
    assert (states["c1"].restarts, states["c1"].last) == (1, BROKEN)
