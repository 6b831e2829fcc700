"""Applying manifests to the real API server: outcomes, taking turns with others, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from api_process import ApiProcess

from k8sshim.client import DEPLOYMENTS, NAMESPACES, PODS, SERVICES, Client
from k8sshim.errors import BadInput
from k8sshim.manifests import apply, load, not_acted_on
from k8sshim.objects import Key

pytestmark = pytest.mark.contract

MANIFESTS = Path(__file__).parents[3] / "shared" / "manifests"
WEB = Key("default", "web")
Apply = Callable[[str], list[str]]
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  minReadySeconds: 5
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: nginx
          ports:
            - containerPort: 80
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector: {app: web}
  ports:
    - {name: tcp, port: 53}
    - {name: udp, port: 53, protocol: UDP}
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
"""


@pytest.fixture
def client(api_server: ApiProcess) -> Client:
    return Client(api_server.kubeconfig)


@pytest.fixture
def applied(client: Client, tmp_path: Path) -> Apply:
    """Applies a text; returns what was said of each object."""

    def apply_text(text: str) -> list[str]:
        file = tmp_path / "web.yaml"
        file.write_text(text)
        return [str(each) for each in apply(client, load([str(file)]))]

    return apply_text


def test_created_then_unchanged_then_configured(client: Client, applied: Apply) -> None:
    assert applied(DEPLOYMENT) == ["deployment.apps/web created"]
    assert applied(DEPLOYMENT) == ["deployment.apps/web unchanged"]
    assert applied(DEPLOYMENT.replace("nginx", "httpd")) == ["deployment.apps/web configured"]
    container = client.get(DEPLOYMENTS, WEB)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "httpd" and container["ports"][0]["protocol"] == "TCP"


def test_an_object_larger_than_the_server_takes_is_bad_input(applied: Apply) -> None:
    large = f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata: {{a: "{"x" * 2**21}"}}\n'
    with pytest.raises(BadInput, match=r"web\.yaml: ConfigMap default/large: .*too large"):
        applied(large)


def test_namespaces_come_first_and_defaults_change_nothing(client: Client, applied: Apply) -> None:
    assert applied(SERVICE) == ["namespace/shop created", "service/web created"]
    assert applied(SERVICE) == ["namespace/shop unchanged", "service/web unchanged"]
    service = client.get(SERVICES, Key("shop", "web"))
    assert service is not None and [port["protocol"] for port in service["spec"]["ports"]] == ["TCP", "UDP"]


def test_what_others_set_stays_and_what_the_manifest_drops_goes(client: Client, applied: Apply) -> None:
    applied(DEPLOYMENT)
    client.patch(DEPLOYMENTS, WEB, {"spec": {"replicas": 4}, "metadata": {"labels": {"by": "hand"}}})
    assert applied(DEPLOYMENT.replace("  minReadySeconds: 5\n", "")) == ["deployment.apps/web configured"]
    live = client.get(DEPLOYMENTS, WEB)
    assert live is not None
    assert live["spec"]["replicas"] == 4 and live["metadata"]["labels"] == {"by": "hand"}
    assert "minReadySeconds" not in live["spec"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_takes_turns(client: Client, applied: Apply, api_server: ApiProcess, tmp_path: Path) -> None:
    def kubectl(*arguments: str) -> str:
        argv = [
            "kubectl",
            "--kubeconfig",
            str(api_server.kubeconfig),
            "--cache-dir",
            str(tmp_path / "cache"),
            *arguments,
        ]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout

    file = tmp_path / "web.yaml"
    assert applied(DEPLOYMENT) == ["deployment.apps/web created"]
    ours = client.get(DEPLOYMENTS, WEB)
    assert kubectl("apply", "-f", str(file)) == "deployment.apps/web unchanged\n"
    assert client.get(DEPLOYMENTS, WEB) == ours
    file.write_text(DEPLOYMENT.replace("nginx", "a<b>&ü").replace("  minReadySeconds: 5\n", ""))
    assert kubectl("apply", "-f", str(file)) == "deployment.apps/web configured\n"
    assert [str(each) for each in apply(client, load([str(file)]))] == ["deployment.apps/web unchanged"]


def test_namespace_that_is_nowhere_is_found_before_anything_is_written(client: Client, applied: Apply) -> None:
    text = DEPLOYMENT + "---" + SERVICE.partition("---")[0]
    with pytest.raises(BadInput) as caught:
        applied(text)
    assert str(caught.value).endswith(
        "web.yaml: document 2: Service shop/web: metadata.namespace: there is no namespace 'shop'"
    )
    assert client.get(DEPLOYMENTS, WEB) is None


def test_refusals_of_the_server_name_file_and_object(client: Client, applied: Apply) -> None:
    applied(DEPLOYMENT)
    with pytest.raises(BadInput, match=r"web\.yaml: Deployment default/web: .*immutable"):
        applied(DEPLOYMENT.replace("app: web", "app: other"))


def test_a_refusal_of_the_server_is_one_line_for_each_field(client: Client, applied: Apply) -> None:
    spec = {"type": "NodePort", "clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30080}]}
    client.create(SERVICES, {"metadata": {"name": "first", "namespace": "default"}, "spec": spec})
    second = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "second"}, "spec": spec}
    with pytest.raises(BadInput) as caught:
        applied(json.dumps(second))
    assert [line.rpartition("/web.yaml: ")[2] for line in str(caught.value).splitlines()] == [
        'Service default/second: spec.clusterIPs: Invalid value: ["10.96.7.7"]: '
        "failed to allocate IP 10.96.7.7: provided IP is already allocated",
        "Service default/second: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated",
    ]


def test_what_was_applied_is_told_before_what_was_refused(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    taken = SERVICE.replace("selector: {app: web}", "clusterIP: 10.1.2.3")
    file.write_text(f"{DEPLOYMENT}\n---\n{taken}")
    said: list[str] = []
    with pytest.raises(BadInput, match=r"document 2: Service shop/web: spec\.clusterIPs"):
        said.extend(map(str, apply(client, load([str(file)]))))
    assert said == ["namespace/shop created", "deployment.apps/web created"]


def test_manifest_of_a_pod_that_ran(client: Client, applied: Apply) -> None:
    """What `kubectl get -o yaml` wrote, with status and everything that the server owns, goes in again."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "web"}]}}
    applied(json.dumps(pod))
    live = client.get(PODS, WEB)
    assert applied(json.dumps({**live, "status": {"phase": "Failed"}})) in (
        ["pod/web unchanged"],
        ["pod/web configured"],
    )
    after = client.get(PODS, WEB)
    assert after["metadata"]["uid"] == live["metadata"]["uid"]
    assert after["status"].get("phase") != "Failed"


@pytest.mark.parametrize("folder", ["guestbook", "guestbook-legacy", "cassandra", "online-boutique"])
def test_real_manifests_are_unchanged_the_second_time(client: Client, folder: str) -> None:
    if not (MANIFESTS / folder).is_dir():
        pytest.skip(f"there are no manifests beside the checkout: {MANIFESTS / folder}")
    documents = load([str(MANIFESTS / folder)])
    assert {each.outcome.value for each in apply(client, documents)} == {"created"}
    assert {each.outcome.value for each in apply(client, documents)} == {"unchanged"}


def test_kinds_that_make_nothing_happen(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: {}\nmetadata: {{name: a}}\n"
    kinds = ("Secret", "ConfigMap", "Namespace", "ServiceAccount", "Endpoints")
    (tmp_path / "a.yaml").write_text("---\n".join(map(text.format, kinds)))
    assert not_acted_on(load([str(tmp_path)])) == ["ConfigMap", "Secret"]


def test_namespace_is_made_once(client: Client, applied: Apply) -> None:
    applied(SERVICE)
    namespace = client.get(NAMESPACES, Key("", "shop"))
    assert namespace is not None and "namespace" not in namespace["metadata"]
