"""kubectl against the API server: what people type, with the output that they expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_process import ROOT, ApiProcess, wait_until
from kubectl_process import Kubectl, kubectls

pytestmark = pytest.mark.contract

MANIFESTS = ROOT.parent / "shared" / "manifests"
GUESTBOOK = MANIFESTS / "guestbook"


@pytest.fixture(params=kubectls() or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))])
def kubectl(request: pytest.FixtureRequest, api_server: ApiProcess, tmp_path: Path) -> Kubectl:
    return Kubectl(request.param, api_server, tmp_path)


def deployment(name: str, image: str = "registry.example/app:1", replicas: int = 2) -> dict[str, Any]:
    container = {"name": "main", "image": image, "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pod(name: str) -> dict[str, Any]:
    template = deployment(name)["spec"]["template"]
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.skipif(not GUESTBOOK.is_dir(), reason="the guestbook's manifests are not beside the checkout")
def test_apply_of_the_guestbook_again_and_changed(kubectl: Kubectl, tmp_path: Path) -> None:
    assert sorted(kubectl("apply", "-f", str(GUESTBOOK)).splitlines()) == [
        "deployment.apps/frontend created",
        "deployment.apps/redis-master created",
        "deployment.apps/redis-replica created",
        "service/frontend created",
        "service/redis-master created",
        "service/redis-replica created",
    ]
    before = kubectl.server.ok("GET", "/apis/apps/v1/deployments")
    assert {line.split()[-1] for line in kubectl("apply", "-f", str(GUESTBOOK)).splitlines()} == {"unchanged"}
    assert kubectl.server.ok("GET", "/apis/apps/v1/deployments") == before
    text = "\n---\n".join(path.read_text() for path in sorted(GUESTBOOK.glob("*.yaml")))
    changed = text.replace("replicas: 3", "replicas: 5")
    assert changed != text
    (tmp_path / "changed.yaml").write_text(changed)
    assert "deployment.apps/frontend configured" in kubectl("apply", "-f", str(tmp_path / "changed.yaml"))
    assert kubectl("get", "deploy", "frontend", "-o", "jsonpath={.spec.replicas}") == "5"
    assert kubectl("delete", "-f", str(GUESTBOOK)).count("deleted") == 6
    assert kubectl("get", "deploy,svc") == ""


def test_get_shows_the_usual_columns(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all([pod("web"), deployment("app")]))
    header, row = kubectl.rows("get", "pods")
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["web", "0/1", "Pending", "0"]
    header, _ = kubectl.rows("get", "pods", "-o", "wide")
    assert header[5:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert kubectl.rows("get", "deploy")[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert kubectl.rows("get", "ns")[1][:2] == ["default", "Active"]
    header, row = kubectl.rows("get", "pods", "-A", "--show-labels")
    assert (header[0], header[-1], row[0], row[-1]) == ("NAMESPACE", "LABELS", "default", "app=web")
    assert kubectl("get", "all", "-o", "name").split() == ["pod/web", "deployment.apps/app"]
    assert kubectl("get", "pods", "--sort-by=.metadata.name", "-l", "app in (web)", "--no-headers").startswith("web ")
    assert kubectl("get", "pods", "--field-selector", "spec.nodeName=n1", "-o", "name") == ""


def test_get_as_yaml_json_and_jsonpath(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump(deployment("app")))
    as_yaml = yaml.safe_load(kubectl("get", "deploy", "app", "-o", "yaml"))
    as_json = json.loads(kubectl("get", "deploy", "app", "-o", "json"))
    assert as_yaml == as_json
    assert as_json["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert kubectl("get", "deploy", "-o", "jsonpath={.items[*].metadata.name}") == "app"
    listed = yaml.safe_load(kubectl("get", "deploy", "-o", "yaml"))
    assert (listed["kind"], listed["items"][0]["kind"]) == ("List", "Deployment")
    columns = "custom-columns=N:.metadata.name,R:.spec.replicas"
    assert kubectl.rows("get", "deploy", "-o", columns) == [["N", "R"], ["app", "2"]]


def test_label_annotate_scale_patch_and_set(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump(deployment("app")))
    assert "labeled" in kubectl("label", "deploy", "app", "tier=front", "team=x")
    assert "labeled" in kubectl("label", "deploy", "app", "tier=back", "team-", "--overwrite")
    kubectl("annotate", "deploy", "app", "note=hello")
    assert "scaled" in kubectl("scale", "deploy", "app", "--replicas=7")
    stored = kubectl.server.ok("GET", "/apis/apps/v1/namespaces/default/deployments/app")
    assert stored["metadata"]["labels"] == {"tier": "back"}
    assert stored["metadata"]["annotations"]["note"] == "hello"
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (7, 2)
    failed = kubectl.run("scale", "deploy", "app", "--current-replicas=3", "--replicas=1")
    assert failed.returncode == 1
    assert "Expected replicas to be 3, was 7" in failed.stderr
    for strategy, patch in (
        ("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "x:2"}]}}}}),
        ("merge", {"spec": {"paused": True}}),
        ("json", [{"op": "replace", "path": "/spec/replicas", "value": 1}]),
    ):
        assert "patched" in kubectl("patch", "deploy", "app", "--type", strategy, "-p", json.dumps(patch))
    spec = kubectl.server.ok("GET", "/apis/apps/v1/namespaces/default/deployments/app")["spec"]
    assert (spec["replicas"], spec["paused"]) == (1, True)
    [container] = spec["template"]["spec"]["containers"]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("x:2", 80)


def test_apply_merges_a_changed_manifest_with_what_others_wrote(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump(deployment("app")))
    kubectl("label", "deploy", "app", "mine=yes")
    changed = deployment("app", image="registry.example/app:2")
    changed["spec"]["template"]["spec"]["containers"].append({"name": "more", "image": "x:1"})
    assert "configured" in kubectl("apply", "-f", "-", given=yaml.safe_dump(changed))
    changed["spec"]["template"]["spec"]["containers"].pop(0)
    assert "configured" in kubectl("apply", "-f", "-", given=yaml.safe_dump(changed))
    stored = kubectl.server.ok("GET", "/apis/apps/v1/namespaces/default/deployments/app")
    assert stored["metadata"]["labels"] == {"mine": "yes"}
    assert [c["name"] for c in stored["spec"]["template"]["spec"]["containers"]] == ["more"]


def test_delete_waits_for_the_end(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all([pod("a"), pod("b"), deployment("app")]))
    assert kubectl("delete", "pod", "a").strip().startswith('pod "a" deleted')
    assert "deleted" in kubectl("delete", "pods", "--all")
    assert "deleted" in kubectl("delete", "deploy", "app", "--cascade=orphan")
    assert kubectl("get", "pods,deploy", "--ignore-not-found") == ""
    missing = kubectl.run("delete", "pod", "a")
    assert (missing.returncode, missing.stderr.strip()) == (1, 'Error from server (NotFound): pods "a" not found')


def test_get_watches(kubectl: Kubectl) -> None:
    with kubectl.started("get", "pods", "-w", "-o", "wide") as lines:
        kubectl("apply", "-f", "-", given=yaml.safe_dump(pod("web")))
        wait_until(lambda: len(lines) >= 2, 20)
        binding = {"target": {"kind": "Node", "name": "n1"}}
        kubectl.server.ok("POST", "/api/v1/namespaces/default/pods/web/binding", binding)
        wait_until(lambda: len(lines) >= 3, 20)
    assert lines[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[1].split()[5:7] == ["<none>", "<none>"]
    assert lines[2].split()[6] == "n1"


def test_a_bad_manifest_is_told_field_by_field(kubectl: Kubectl) -> None:
    bad = deployment("app")
    bad["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": "eighty"}]
    refused = kubectl.run("apply", "-f", "-", given=yaml.safe_dump(bad))
    assert refused.returncode == 1
    assert "spec.template.spec.containers[0].ports[0].containerPort" in refused.stderr
    assert kubectl("get", "deploy", "-o", "name") == ""


def test_names_and_labels_are_refused_in_kubernetes_words(kubectl: Kubectl) -> None:
    bad = pod("Web")
    bad["metadata"]["labels"] = {"/app": "-"}
    name = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )
    value = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )
    refused = kubectl.run("create", "-f", "-", given=yaml.safe_dump(bad))
    assert refused.stderr.strip().splitlines() == [
        'The Pod "Web" is invalid: ',
        f'* metadata.name: Invalid value: "Web": {name}',
        '* metadata.labels: Invalid value: "/app": prefix part must be non-empty',
        f'* metadata.labels: Invalid value: "-": {value}',
    ]
    _, status = kubectl.server.request("POST", "/api/v1/namespaces/default/pods", bad)
    assert [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]] == [
        (field, "FieldValueInvalid") for field in ("metadata.name", "metadata.labels", "metadata.labels")
    ]


def test_versions_and_resources(kubectl: Kubectl) -> None:
    assert "Server Version" in kubectl("version")
    assert "podwire.dev/v1alpha1" in kubectl("api-versions").split()
    names = {row[0] for row in kubectl.rows("api-resources")}
    assert {"pods", "deployments", "clusters", "networkpolicies"} <= names
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_apply_on_the_servers_side(kubectl: Kubectl) -> None:
    """https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""
    manifest = yaml.safe_dump(deployment("app"))
    apply = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in kubectl(*apply, given=manifest)
    before = kubectl.server.ok("GET", "/apis/apps/v1/namespaces/default/deployments/app")
    kubectl(*apply, given=manifest)
    assert kubectl.server.ok("GET", "/apis/apps/v1/namespaces/default/deployments/app") == before
    kubectl("scale", "deploy", "app", "--replicas=7")
    refused = kubectl.run(*apply, given=manifest)
    assert refused.returncode == 1
    assert "Apply failed with 1 conflict" in refused.stderr and ".spec.replicas" in refused.stderr
    kubectl(*apply, "--force-conflicts", given=manifest)
    assert kubectl("get", "deploy", "app", "-o", "jsonpath={.spec.replicas}") == "2"
