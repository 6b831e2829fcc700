"""kubectl and the official Python client at containers that run: logs, exec, attach, cp, forwarded ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes
import pytest
import yaml
from kubernetes.stream import portforward, stream
from laboratory import RunningLab

from lab.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")]

ROOT = Path(__file__).resolve().parents[2]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]
TALK = "echo begun; echo aside >&2; while read line; do echo heard $line; done; exit 3"


def pod(name: str, *containers: dict[str, object], **spec: object) -> dict[str, object]:
    metadata = {"name": name, "labels": {"app": "streams"}}
    shape: dict[str, object] = {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": shape}


@pytest.fixture(scope="module")
def kubectl(lab: RunningLab) -> Iterator[Kubectl]:
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": str(lab.kubeconfig)}

        def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
            argv = ["kubectl", *arguments]
            return subprocess.run(
                argv, env=environment, input=given, capture_output=True, text=True, timeout=90, check=False
            )

        talker = {"name": "main", "image": "x:1", "stdin": True, "command": ["sh", "-c", TALK]}
        standin = {"name": "web", "image": "nginx:1", "ports": [{"containerPort": 80}]}
        manifests = yaml.safe_dump_all([pod("talker", talker, standin), pod("silent", standin)])
        assert run("apply", "-f", "-", given=manifests).returncode == 0
        waited = run("wait", "--for=condition=Ready", "pod", "-l", "app=streams", "--timeout=60s")
        assert waited.returncode == 0, waited.stderr
        yield run
        run("delete", "pod", "-l", "app=streams")


def test_exec_has_the_streams_and_the_exit_code_of_its_command(
    kubectl: Kubectl,
) -> None:
    """https://kubernetes.io/docs/tasks/debug/debug-application/get-shell-running-container/"""
    done = kubectl(
        "exec", "-i", "talker", "-c", "main", "--", "sh", "-c", "cat; echo aside >&2; exit 7", given="said\n"
    )
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (7, "said\n", "aside")
    assert kubectl("exec", "silent", "--", "hostname").stdout == "silent\n"
    refused = kubectl("exec", "talker", "-c", "nothing", "--", "true")
    assert (refused.returncode, "container nothing is not valid for pod talker" in refused.stderr) == (1, True)
    assert kubectl("exec", "-i", "talker", "--", "wc", "-c", given="x" * 300_000).stdout.strip() == "300000"


def test_attach_speaks_to_the_container_and_logs_keep_what_it_said(
    kubectl: Kubectl,
) -> None:
    said = kubectl("attach", "-i", "talker", "-c", "main", given="hello\n")
    assert "heard hello" in said.stdout
    assert kubectl("logs", "talker", "-c", "main", "--previous").stdout.splitlines() == [
        "begun",
        "aside",
        "heard hello",
    ]  # its input has ended, and so has it: with exit code 3, so it was started again
    assert wait_until(lambda: kubectl("logs", "talker", "-c", "main", "--tail=1").stdout == "aside\n", 30)
    assert kubectl("logs", "-f", "silent", "--limit-bytes=1", "--pod-running-timeout=1s", "--previous").returncode == 1


def test_ports_are_forwarded(kubectl: Kubectl, lab: RunningLab) -> None:
    """kubectl port-forward speaks SPDY within a WebSocket (KEP-4006)."""
    argv = ["kubectl", "port-forward", "pod/silent", ":80", ":81", "--address=127.0.0.1"]
    environment = {**os.environ, "KUBECONFIG": str(lab.kubeconfig)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        open_port, closed_port = (int(forward.stdout.readline().split(":")[1].split()[0]) for _ in range(2))
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{open_port}/hostname", timeout=30) as answer:
                assert answer.read() == b"silent"
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{closed_port}/", timeout=30)
        forward.terminate()


def test_cp_goes_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("carried\n")
    assert kubectl("cp", str(tmp_path / "there"), "talker:/tmp/x", "-c", "main").returncode == 0
    assert kubectl("cp", "talker:/tmp/x", str(tmp_path / "back"), "-c", "main").returncode == 0
    assert (tmp_path / "back").read_text() == "carried\n"


def test_the_python_client_over_v4(kubectl: object, lab: RunningLab) -> None:
    """kubernetes.stream speaks v4.channel.k8s.io (ws_client.py)."""
    api = kubernetes.config.new_client_from_config(str(lab.kubeconfig))
    v1 = kubernetes.client.CoreV1Api(api)
    asked = {"command": ["echo", "hi"], "container": "main", "stdin": False, "stdout": True, "stderr": True}
    assert stream(v1.connect_get_namespaced_pod_exec, "talker", "default", **asked) == "hi\n"
    forward = portforward(v1.connect_get_namespaced_pod_portforward, "silent", "default", ports="80")
    asking = forward.socket(80)
    asking.settimeout(30)
    asking.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
    answer = b""
    while data := asking.recv(4096):
        answer += data
    assert answer.endswith(b"silent")


LOOP = 'trap "echo heard TERM; exit 0" TERM; echo begun; while true; do sleep 0.1; done'


def test_volumes_of_the_api_and_hooks(kubectl: Kubectl, lab: RunningLab) -> None:
    """https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/: preStop "must complete its
    execution before the TERM signal to stop the container can be sent"."""
    conf = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hooked"}, "data": {"a.ini": "a=1\n"}}
    mounts = [{"name": "conf", "mountPath": "/etc/hooked"}, {"name": "mine", "mountPath": "/mine"}]
    said = {"exec": {"command": ["sh", "-c", "echo before TERM > /proc/1/fd/1"]}}
    begun = {"exec": {"command": ["sh", "-c", "cat /etc/hooked/a.ini > /tmp/begun"]}}
    main: dict[str, object] = {"name": "main", "image": "x:1", "command": ["sh", "-c", LOOP], "volumeMounts": mounts}
    main |= {"lifecycle": {"postStart": begun, "preStop": said}}
    fields = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    volumes = [{"name": "conf", "configMap": {"name": "hooked"}}, {"name": "mine", "downwardAPI": {"items": fields}}]
    raw = pod("hooked", main, volumes=volumes, terminationGracePeriodSeconds=30)
    assert kubectl("apply", "-f", "-", given=yaml.safe_dump_all([conf, raw])).returncode == 0
    assert kubectl("wait", "--for=condition=Ready", "pod/hooked", "--timeout=60s").returncode == 0
    read = kubectl("exec", "hooked", "--", "cat", "/tmp/begun", "/mine/labels")
    assert read.stdout == 'a=1\napp="streams"'
    argv = ["kubectl", "logs", "-f", "hooked"]
    with subprocess.Popen(argv, env={**os.environ, "KUBECONFIG": str(lab.kubeconfig)}, stdout=subprocess.PIPE) as logs:
        assert logs.stdout and logs.stdout.readline() == b"begun\n"
        assert kubectl("delete", "pod", "hooked").returncode == 0
        assert logs.communicate(timeout=60)[0] == b"before TERM\nheard TERM\n"
    kubectl("delete", "configmap", "hooked")


def test_top_shows_what_commands_use(kubectl: Kubectl, lab: RunningLab) -> None:
    """https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/"""
    burn = {"name": "main", "image": "x:1", "command": ["sh", "-c", "while :; do :; done"]}
    assert kubectl("apply", "-f", "-", given=yaml.safe_dump(pod("burner", burn))).returncode == 0
    assert kubectl("wait", "--for=condition=Ready", "pod/burner", "--timeout=60s").returncode == 0

    def burns() -> bool:
        shown = kubectl("top", "pod", "burner", "--no-headers").stdout.split()
        return shown[0] == "burner" and int(shown[1].removesuffix("m")) > 0 and shown[2].endswith("Mi")

    assert wait_until(burns, 30)
    assert {row.split()[0] for row in kubectl("top", "node", "--no-headers").stdout.splitlines()} >= {"node1", "node2"}
    kubectl("delete", "pod", "burner")


def test_debug_adds_a_container_to_a_pod_that_runs(kubectl: Kubectl) -> None:
    """https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/#ephemeral-container"""
    added = kubectl(
        "debug", "silent", "--image=x:1", "-c", "probe", "--profile=general", "--", "sh", "-c", "hostname; exit 4"
    )
    assert added.returncode == 0, added.stderr
    path = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}"
    assert kubectl("wait", "pod/silent", f"--for={path}=4", "--timeout=60s").returncode == 0
    assert kubectl("logs", "silent", "-c", "probe").stdout == "silent\n"
    assert kubectl("get", "pod", "silent", "-o", "jsonpath={.status.phase}").stdout == "Running"


def _older() -> str:
    """A kubectl that knows no WebSocket: the distribution's, where it is beside the newer one."""
    named = os.environ.get("PODWIRE_KUBECTLS", "").split(":")
    return next((path for path in (*named, str(ROOT / ".venv/kubernetes-client/kubectl")) if Path(path).is_file()), "")


@pytest.mark.skipif(not _older(), reason="there is no older kubectl beside the one on PATH")
def test_an_older_kubectl_speaks_spdy(kubectl: Kubectl, lab: RunningLab, tmp_path: Path) -> None:
    """Before 1.29 kubectl's streams are SPDY/3.1 over an upgraded connection, and nothing else."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(lab.kubeconfig)}

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        argv = [_older(), *arguments]
        return subprocess.run(
            argv, env=environment, input=given, capture_output=True, text=True, timeout=90, check=False
        )

    done = run("exec", "-i", "talker", "-c", "main", "--", "sh", "-c", "cat; echo aside >&2; exit 7", given="said\n")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (7, "said\n", "aside")
    assert run("exec", "-i", "talker", "-c", "main", "--", "wc", "-c", given="x" * 300_000).stdout.strip() == "300000"
    (tmp_path / "there").write_text("carried\n")
    assert run("cp", str(tmp_path / "there"), "talker:/tmp/old", "-c", "main").returncode == 0
    assert run("exec", "talker", "-c", "main", "--", "cat", "/tmp/old").stdout == "carried\n"
    argv = [_older(), "port-forward", "pod/silent", ":80", "--address=127.0.0.1"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        port = int(forward.stdout.readline().split(":")[1].split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/hostname", timeout=30) as answer:
            assert answer.read() == b"silent"
        forward.terminate()
