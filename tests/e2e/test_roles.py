"""A lab with RBAC: its owner and podwire itself may do all, a pod what Roles and their bindings say.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/; the pod speaks to the API as
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ has it.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from laboratory import Laboratory, RunningLab, deployment

pytestmark = pytest.mark.e2e
DESCRIPTION = """\
apiVersion: podwire.dev/v1alpha1
kind: Cluster
metadata: {name: roles}
spec:
  nodes: 2
  apiServer: {rbac: true}
"""
ROBOT: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "robot"},
        "spec": {
            "serviceAccountName": "robot",
            "containers": [{"name": "main", "image": "host", "command": ["sleep", "infinity"]}],
        },
    },
]
SUBJECT = "system:serviceaccount:default:robot"
PODS = "/api/v1/namespaces/default/pods"
ASK = """\
cd /var/run/secrets/kubernetes.io/serviceaccount
exec curl -s --max-time 30 --cacert ca.crt -H "Authorization: Bearer $(cat token)" "https://kubernetes.default.svc$1"
"""


@pytest.fixture(scope="module")
def lab(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> RunningLab:
    """A lab with RBAC: a Deployment behind a Service, and a pod with a ServiceAccount of its own."""
    described = tmp_path_factory.mktemp("roles") / "cluster.yaml"
    described.write_text(DESCRIPTION)
    lab = laboratory.up("roles", str(described))
    lab.apply(*ROBOT, deployment("web", 2, (80, "TCP")))
    lab.kubectl("expose", "deployment", "web")
    return lab


def ask(lab: RunningLab, path: str) -> dict[str, Any]:
    """What the API answers the pod, which reaches it by its Service's name and its account's token."""
    answer: dict[str, Any] = json.loads(lab.kubectl("exec", "robot", "--", "sh", "-c", ASK, "sh", path))
    return answer


def can_i(lab: RunningLab, *asked: str) -> str:
    """What `kubectl auth can-i` says to who has the account's token alone."""
    reached = [f"--server={lab.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}')}"]
    reached += [f"--certificate-authority={lab.folder / 'pki' / 'ca.crt'}", "--kubeconfig=/dev/null"]
    reached += [f"--token={lab.kubectl('create', 'token', 'robot').strip()}"]
    done = subprocess.run(
        ["kubectl", *reached, "auth", "can-i", *asked], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() or done.stderr


def test_podwire_itself_works_on(lab: RunningLab) -> None:
    """Its own components made pods, flows and names; the owner may do all."""
    assert lab.kubectl("auth", "can-i", "*", "*", "-A").strip() == "yes"
    ready = lab.kubectl("get", "deployment", "kube-dns", "-n", "kube-system", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "1"
    assert {pod["status"]["phase"] for pod in lab.pods("app=web")} == {"Running"}
    assert lab.exec("robot", "curl", "-s", "--max-time", "30", "--retry", "9", "http://web.default.svc").returncode == 0


def test_a_pod_may_do_what_its_account_is_given_and_no_more(lab: RunningLab) -> None:
    refused = ask(lab, PODS)
    assert (refused["kind"], refused["code"], refused["reason"]) == ("Status", 403, "Forbidden")
    cannot = f'pods is forbidden: User "{SUBJECT}" cannot list resource "pods" in API group ""'
    assert refused["message"] == f'{cannot} in the namespace "default"'
    assert can_i(lab, "list", "pods") == "no"
    lab.kubectl("create", "role", "looks", "--verb=get,list", "--resource=pods")
    lab.kubectl("create", "rolebinding", "looks", "--role=looks", "--serviceaccount=default:robot")
    assert "robot" in {pod["metadata"]["name"] for pod in ask(lab, PODS)["items"]}
    assert can_i(lab, "list", "pods") == "yes"
    assert can_i(lab, "delete", "pods") == "no"
    assert ask(lab, "/api/v1/pods")["message"] == f"{cannot} at the cluster scope"
    lab.kubectl("delete", "rolebinding", "looks")
    assert ask(lab, PODS)["code"] == 403


def test_kubernetes_own_cluster_roles_can_be_bound(lab: RunningLab) -> None:
    lab.kubectl("create", "rolebinding", "views", "--clusterrole=view", "--serviceaccount=default:robot")
    assert can_i(lab, "list", "deployments.apps") == "yes"
    assert can_i(lab, "list", "secrets") == "no"
    lab.kubectl("delete", "rolebinding", "views")
