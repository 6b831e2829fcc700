"""Containers' commands in their boxes, with a real bubblewrap: what they see, what they cannot do, and how they end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_lab import RUN, AgentLab, wait_until

from k8sshim.client import SERVICES
from k8sshim.objects import Key, Raw
from topo.agent.bubblewrap import DEFAULT_CAPABILITIES

pytestmark = pytest.mark.netns

CAPABILITY_NUMBERS = {
    "chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
    "net_bind_service": 10, "net_raw": 13, "sys_chroot": 18, "mknod": 27, "audit_write": 29, "setfcap": 31,
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentLab]:
    one = AgentLab(tmp_path_factory.mktemp("lab"), agent_options=["--restart-backoff", "0.1"])
    try:
        one.start()
        yield one
    finally:
        one.stop()


def script(text: str, **more: object) -> dict[str, object]:
    return {"name": "main", "image": "x", "command": ["sh", "-c", text], **more}


def once(lab: AgentLab, name: str, text: str, **more: object) -> str:
    """What a script says that runs once, to its end, in a pod of its own."""
    pod = lab.run_pod(name, {"containers": [script(text, **more)], "restartPolicy": "Never"})
    wait_until(lambda: phase(lab, name) in ("Succeeded", "Failed"))
    return lab.output(pod, "main")


def phase(lab: AgentLab, name: str) -> str:
    return str((lab.pod(name) or {}).get("status", {}).get("phase"))


def main(lab: AgentLab, name: str) -> Raw:
    statuses = (lab.pod(name) or {}).get("status", {}).get("containerStatuses") or [{}]
    return next(iter(statuses))


def test_the_host_cannot_be_written(lab: AgentLab) -> None:
    tries = [  # of a kind that would do no harm if they succeeded
        "touch /usr/podwire-test", "touch /etc/podwire-test", "chmod 666 /dev/null", "chmod 644 /etc/passwd",
        "echo 0 >> /proc/sys/net/ipv4/ip_forward", "echo core > /proc/sys/kernel/core_pattern",
        "mount -t tmpfs none /mnt", "mount -o remount,rw /usr", "ip link add dummy0 type dummy",
        "mknod /tmp/disk b 7 0 && head -c1 /tmp/disk", "hostname other", "nsenter -t 1 -m true", "unshare -n true",
        "ip link set lo down", "date -s now",
    ]  # fmt: skip
    text = "\n".join(f"if {one}; then echo 'DONE: {one}'; fi 2>/dev/null" for one in tries)
    said = once(lab, "vandal", f"({text}) 2>/dev/null; touch /tmp/a /run/a /var/tmp/a /root/a /home/a && echo own")
    assert [line for line in said.splitlines() if line.startswith("DONE")] == []
    assert "own" in said.splitlines()
    assert not any(Path(path).exists() for path in ("/run/a", "/var/tmp/a", "/home/a"))


def test_private_folders_are_hidden(lab: AgentLab) -> None:
    (lab.state / "secret").write_text("lab secret")
    wanted = f"/root /home /run/podwire {lab.state} /etc/ssh"
    said = once(lab, "spy", f"for d in {wanted}; do ls -A $d; done; cat {lab.state}/secret /run/podwire/kubeconfig")
    assert "lab secret" not in said
    assert "clusters:" not in said
    assert not [line for line in said.splitlines() if not line.startswith(("ls:", "cat:"))]


def test_it_has_a_containers_capabilities_in_every_set(lab: AgentLab) -> None:
    said = once(lab, "able", "grep -E '^(Cap|NoNewPrivs)' /proc/self/status")
    sets = dict(line.split(":\t") for line in said.splitlines())
    expected = sum(1 << CAPABILITY_NUMBERS[name] for name in DEFAULT_CAPABILITIES)
    assert {int(sets[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {expected}
    assert {int(sets[name], 16) for name in ("CapInh", "CapAmb")} == {0}
    assert sets["NoNewPrivs"] == "1"


def test_it_is_alone_in_its_namespaces(lab: AgentLab) -> None:
    text = "echo pid $$$$; hostname; ls -d /proc/[0-9]* | wc -l; ls /proc/self/fd | wc -l; ls /sys/class/net /dev"
    said = once(lab, "alone", text).splitlines()
    assert said[:2] == ["pid 1", "alone"]
    assert int(said[2]) <= 4
    assert int(said[3]) <= 4  # three, and the folder that is being read
    assert "vda" not in said
    assert "kmsg" not in said


def test_environment_and_arguments(lab: AgentLab) -> None:
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "GREETING", "value": "hello $(NODE)"},
    ]
    said = once(lab, "env", 'env | sort; echo "$0|$1"', env=env, args=["$(GREETING)", "; echo $(IP) `id`"])
    lines = said.splitlines()
    address = lab.pod("env")["status"]["podIP"]  # type: ignore[index]
    assert f"IP={address}" in lines
    assert "GREETING=hello node1" in lines
    assert f"hello node1|; echo {address} `id`" in lines
    names = {line.split("=")[0] for line in lines if "=" in line}
    api = {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
    assert {name for name in names - api if not name.startswith("KUBERNETES_")} == {
        "GREETING", "HOME", "HOSTNAME", "IP", "NODE", "PATH", "PWD",
    }  # fmt: skip
    assert api < names


def test_services_that_exist_are_in_the_environment(lab: AgentLab) -> None:
    web = {"metadata": {"name": "web-shop", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    made = lab.client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **web})
    said = once(lab, "linked", "env")
    assert f"WEB_SHOP_PORT_80_TCP=tcp://{made['spec']['clusterIP']}:80" in said.splitlines()
    pod = lab.run_pod(
        "unlinked", {"containers": [script("env")], "restartPolicy": "Never", "enableServiceLinks": False}
    )
    wait_until(lambda: phase(lab, "unlinked") == "Succeeded")
    assert "WEB_SHOP" not in lab.output(pod, "main")
    assert "KUBERNETES_SERVICE_HOST=10.96.0.1" in lab.output(pod, "main").splitlines()
    lab.client.delete(SERVICES, Key("default", "web-shop"))


def test_sigterm_then_sigkill(lab: AgentLab) -> None:
    loop = "echo up; while :; do sleep 0.05; done"
    polite = lab.run_pod("polite", {"containers": [script(f"trap 'echo bye; exit 0' TERM; {loop}")]})
    deaf = lab.run_pod("deaf", {"containers": [script(f"trap 'echo never' TERM; {loop}")]})
    for pod in (polite, deaf):
        wait_until(lambda pod=pod: "up" in lab.output(pod, "main"))
    lab.delete("polite", 60)
    lab.gone("polite")
    lab.delete("deaf", 1)
    wait_until(lambda: "never" in lab.output(deaf, "main"))  # it was asked first
    lab.gone("deaf")
    assert not processes(deaf)


def processes(pod: Raw) -> str:
    name = f"pod-{pod['metadata']['uid']}"
    if not (Path("/run/netns") / name).exists():
        return ""
    return subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout


def test_liveness_by_a_command_inside_the_box(lab: AgentLab) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/well"]}, "periodSeconds": 1, "failureThreshold": 1}
    probe |= {"initialDelaySeconds": 1}
    wait = "for i in 1 2 3 4 5; do sleep 0.5; done"
    text = f"trap 'exit 9' TERM; touch /tmp/well; {wait}; rm /tmp/well; while :; do sleep 0.05; done"
    lab.run_pod("ill", {"containers": [script(text, livenessProbe=probe)]})
    wait_until(lambda: main(lab, "ill").get("restartCount", 0) >= 1)
    assert main(lab, "ill")["lastState"]["terminated"]["exitCode"] == 9
    lab.delete("ill", 0)


def test_init_containers_in_order_with_a_shared_volume(lab: AgentLab) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/shared"}]}
    inits = [{**script(f"echo {n} >> /shared/order", **mounts), "name": f"init{n}"} for n in (1, 2)]
    inits.insert(1, {"name": "absent", "image": "x", "command": ["/no/such/program"]})
    spec = {"initContainers": inits, "volumes": [{"name": "v", "emptyDir": {}}], "restartPolicy": "Never"}
    pod = lab.run_pod("ordered", {**spec, "containers": [script("cat /shared/order", **mounts)]})
    wait_until(lambda: phase(lab, "ordered") == "Succeeded")
    assert lab.output(pod, "main").split() == ["1", "2"]
    kinds = [s["imageID"] for s in lab.pod("ordered")["status"]["initContainerStatuses"]]  # type: ignore[index]
    assert kinds == ["podwire://command", "podwire://stand-in", "podwire://command"]


def test_a_command_that_fails_is_started_again_and_says_why(lab: AgentLab) -> None:
    pod = lab.run_pod("crash", {"containers": [script("echo no such luck >&2; exit 4")]})
    wait_until(lambda: main(lab, "crash").get("restartCount", 0) >= 2)
    last = main(lab, "crash")["lastState"]["terminated"]
    assert (last["exitCode"], last["message"]) == (4, "no such luck")
    assert "no such luck" in lab.output(pod, "main", restarts=1)
    lab.delete("crash", 0)


def test_a_restarted_agent_keeps_the_pod_and_restarts_its_command(lab: AgentLab) -> None:
    pod = lab.run_pod("lasting", {"containers": [script("echo up; sleep 1000")]})
    before = lab.ready("lasting")["status"]["podIP"]
    lab.run_pod("doomed", {"containers": [script("sleep 1000")]})
    doomed = lab.ready("doomed")
    assert lab.agent is not None
    lab.agent.kill()
    lab.agent.wait()
    wait_until(lambda: not processes(pod))  # its command died with the agent
    lab.delete("doomed", 0)
    lab.start_agent()
    wait_until(lambda: main(lab, "lasting").get("restartCount") == 1 and main(lab, "lasting").get("ready"))
    assert lab.pod("lasting")["status"]["podIP"] == before  # type: ignore[index]
    wait_until(lambda: not (Path("/run/netns") / f"pod-{doomed['metadata']['uid']}").exists())
    wait_until(lambda: not (RUN / "pods" / "node1" / doomed["metadata"]["uid"]).exists())


def test_what_no_command_line_can_hold_is_said_and_harms_nobody(lab: AgentLab) -> None:
    env = [{"name": "GREETING", "value": "a\0b"}]
    lab.run_pod("nul", {"containers": [script("true", env=env)], "restartPolicy": "Never"})
    wait_until(lambda: phase(lab, "nul") == "Failed")
    ended = main(lab, "nul")["state"]["terminated"]
    assert ended["reason"] == "StartError"
    assert "null byte" in ended["message"]
    lab.delete("nul")
    lab.gone("nul")
