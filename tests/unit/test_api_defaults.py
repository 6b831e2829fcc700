"""What the API server fills in, read from objects stored through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_world import World, pod, workload

from k8sshim.kinds import find
from k8sshim.objects import Raw
from k8sshim.server import defaults
from k8sshim.server.admission import qos_class

pytestmark = pytest.mark.unit


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def filled(api_version: str, kind: str, raw: Raw) -> Any:
    found = find(api_version, kind)
    assert found is not None
    raw = {"metadata": {"name": "x", "uid": "u1"}} | raw
    defaults.apply(found, raw)
    return raw


def test_a_pod(world: World) -> None:
    raw = pod("web")
    raw["spec"]["containers"] = [
        {
            "name": "a",
            "image": "registry.example:5000/app",
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "livenessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 3},
        },
        {"name": "b", "image": "app:1.2"},
    ]
    spec = world.create("Pod", raw)["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["enableServiceLinks"] is True
    assert (spec["schedulerName"], spec["serviceAccountName"]) == ("default-scheduler", "default")
    first, second = spec["containers"]
    assert [port["protocol"] for port in first["ports"]] == ["TCP", "UDP"]
    assert (first["imagePullPolicy"], second["imagePullPolicy"]) == ("Always", "IfNotPresent")
    assert first["readinessProbe"]["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}
    timing = {"timeoutSeconds": 1, "periodSeconds": 3, "successThreshold": 1, "failureThreshold": 3}
    assert first["livenessProbe"] == {"tcpSocket": {"port": 80}} | timing


def test_ports_of_a_host_network_pod_are_the_hosts(world: World) -> None:
    container = {"name": "a", "image": "x", "ports": [{"containerPort": 80}]}
    spec = world.create("Pod", pod("web", hostNetwork=True, containers=[container]))["spec"]
    assert spec["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_workloads(world: World) -> None:
    deployment = world.create("Deployment", workload("web"))["spec"]
    assert (deployment["replicas"], deployment["revisionHistoryLimit"]) == (1, 10)
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert deployment["template"]["spec"]["restartPolicy"] == "Always"
    stateful = world.create("StatefulSet", workload("db"))["spec"]
    assert stateful["podManagementPolicy"] == "OrderedReady"
    assert stateful["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    daemon = world.create("DaemonSet", workload("agent"))["spec"]
    assert daemon["updateStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert world.create("ReplicaSet", workload("rs", replicas=0))["spec"]["replicas"] == 0


def test_a_replication_controller_takes_selector_and_labels_from_its_template(world: World) -> None:
    raw = workload("rc")
    del raw["spec"]["selector"]
    stored = world.create("ReplicationController", raw)
    assert stored["spec"]["selector"] == {"app": "rc"}
    assert stored["metadata"]["labels"] == {"app": "rc"}


def test_a_namespace_is_labelled_with_its_name(world: World) -> None:
    stored = world.create("Namespace", {"metadata": {"name": "team", "labels": {"a": "b"}}})
    assert stored["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "team"}
    assert stored["status"] == {"phase": "Active"}
    without = world.patch("Namespace", "team", {"metadata": {"labels": None}})
    assert without["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}


def test_text_of_a_secret_is_kept_encoded(world: World) -> None:
    stored = world.create("Secret", {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}})
    assert (stored["type"], stored["data"]) == ("Opaque", {"password": "aHVudGVyMg=="})
    assert "stringData" not in stored


def test_a_job_finds_its_pods_by_its_uid() -> None:
    spec = filled("batch/v1", "Job", {"spec": {"template": {"spec": {"containers": []}}}})["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "x"


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({"podSelector": {}}, ["Ingress"]),
        ({"podSelector": {}, "egress": [{}]}, ["Ingress", "Egress"]),
        ({"podSelector": {}, "policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_the_types_of_a_network_policy(spec: Raw, types: list[str]) -> None:
    assert filled("networking.k8s.io/v1", "NetworkPolicy", {"spec": spec})["spec"]["policyTypes"] == types


def test_what_a_manifest_says_is_not_overridden(world: World) -> None:
    spec = world.create(
        "Pod", pod("web", restartPolicy="Never", dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.1"]})
    )
    assert (spec["spec"]["restartPolicy"], spec["spec"]["dnsPolicy"]) == ("Never", "None")


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Raw, quality: str) -> None:
    assert qos_class({"containers": [{"resources": resources}]}) == quality
