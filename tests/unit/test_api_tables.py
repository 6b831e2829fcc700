"""Server-side printing: which table an Accept header asks for, and the cells that kubectl users know."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from k8sshim.kinds import find
from k8sshim.objects import Key, Raw
from k8sshim.records import Record, encode
from k8sshim.server import tables
from k8sshim.server.columns import human_duration
from k8sshim.server.tables import TableForm

pytestmark = pytest.mark.unit

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
CREATED = "2024-05-06T07:05:09Z"
KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def printed(api_version: str, kind: str, raw: Raw, *, wide: bool = False) -> dict[str, Any]:
    """The row of an object, by column."""
    found = find(api_version, kind)
    assert found is not None
    metadata = {"name": "web", "creationTimestamp": CREATED} | raw.pop("metadata", {})
    record = Record("any", Key("default", "web"), 7, "u", {}, {}, (), encode({"metadata": metadata, **raw}))
    table = json.loads(tables.table(found, [record], TableForm("v1", "Metadata"), {"resourceVersion": "7"}, NOW))
    columns = table["columnDefinitions"]
    [row] = table["rows"]
    return {c["name"]: cell for c, cell in zip(columns, row["cells"], strict=True) if wide or not c["priority"]}


def pod(state: Raw | None = None, *, ready: bool = False, phase: str = "Running", **status: Any) -> Raw:
    containers = [{"name": "a", "image": "x"}]
    statuses = [] if state is None else [{"name": "a", "ready": ready, "restartCount": 2, "state": state}]
    return {"spec": {"containers": containers}, "status": {"phase": phase, "containerStatuses": statuses, **status}}


def test_a_running_pod() -> None:
    row = printed("v1", "Pod", pod({"running": {}}, ready=True))
    assert row == {"Name": "web", "Ready": "1/1", "Status": "Running", "Restarts": "2", "Age": "3m"}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (pod(phase="Pending"), "Pending"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), "ContainerCreating"),
        (pod({"terminated": {"reason": "Completed", "exitCode": 0}}, phase="Succeeded"), "Completed"),
        (pod({"terminated": {"exitCode": 3}}, phase="Failed"), "ExitCode:3"),
        (pod({"terminated": {"exitCode": 137, "signal": 9}}), "Signal:9"),
        (pod(phase="Failed", reason="Evicted"), "Evicted"),
        (pod({"running": {}}) | {"metadata": {"deletionTimestamp": CREATED}}, "Terminating"),
    ],
)
def test_the_state_of_a_pod_in_one_word(raw: Raw, status: str) -> None:
    assert printed("v1", "Pod", raw)["Status"] == status


def test_init_containers_come_first() -> None:
    raw = pod({"waiting": {"reason": "PodInitializing"}}, phase="Pending")
    raw["spec"]["initContainers"] = [{"name": "i"}, {"name": "j"}]
    done = {"name": "i", "state": {"terminated": {"exitCode": 0}}}
    for state, shown in (
        ({"running": {}}, "Init:1/2"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
    ):
        raw["status"]["initContainerStatuses"] = [done, {"name": "j", "state": state}]
        assert printed("v1", "Pod", raw | {})["Status"] == shown


def test_wide_columns_of_a_pod() -> None:
    raw = pod({"running": {}}, podIP="10.244.1.2")
    raw["spec"]["nodeName"] = "n1"
    row = printed("v1", "Pod", raw, wide=True)
    names = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"]
    assert list(row) == names
    assert list(row.values())[5:] == ["10.244.1.2", "n1", "<none>", "<none>"]


def test_a_node() -> None:
    labels = {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "172.16.0.2"}],
        "nodeInfo": {"kubeletVersion": "v1.32.0"},
    }
    raw = {"metadata": {"labels": labels}, "spec": {"unschedulable": True}, "status": status}
    row = printed("v1", "Node", raw, wide=True)
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert row["Roles"] == "control-plane,worker"
    assert (row["Version"], row["Internal-IP"], row["External-IP"]) == ("v1.32.0", "172.16.0.2", "<none>")
    assert (
        printed("v1", "Node", {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})["Status"]
        == "NotReady"
    )


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (
            {
                "type": "NodePort",
                "clusterIP": "10.96.0.5",
                "ports": [{"port": 80, "nodePort": 30001, "protocol": "TCP"}],
            },
            ["NodePort", "10.96.0.5", "<none>", "80:30001/TCP"],
        ),
        ({"type": "LoadBalancer", "clusterIP": "10.96.0.5"}, ["LoadBalancer", "10.96.0.5", "<pending>", "<none>"]),
        ({"type": "ExternalName", "externalName": "a.example"}, ["ExternalName", "<none>", "a.example", "<none>"]),
        (
            {"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 53, "protocol": "UDP"}, {"port": 1}]},
            ["ClusterIP", "None", "<none>", "53/UDP,1/TCP"],
        ),
    ],
)
def test_services(spec: Raw, shown: list[str]) -> None:
    assert list(printed("v1", "Service", {"spec": spec}).values()) == ["web", *shown, "3m"]


def test_workloads_and_the_rest() -> None:
    spec = {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": []}}}
    status = {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    both = {"spec": spec, "status": status}
    row = printed("apps/v1", "Deployment", dict(both), wide=True)
    assert [row[n] for n in ("Ready", "Up-to-date", "Available", "Selector")] == ["2/3", 3, 1, "a=b"]
    row = printed("apps/v1", "ReplicaSet", dict(both))
    assert row == {"Name": "web", "Desired": 3, "Current": 3, "Ready": 2, "Age": "3m"}
    assert printed("apps/v1", "StatefulSet", dict(both)) == {"Name": "web", "Ready": "2/3", "Age": "3m"}
    assert printed("v1", "ConfigMap", {"data": {"a": "b"}}) == {"Name": "web", "Data": 1, "Age": "3m"}
    assert printed("resource.k8s.io/v1", "DeviceClass", {}) == {"Name": "web", "Age": "3m"}
    endpoints = [{"addresses": [f"10.0.0.{n}"]} for n in range(1, 6)]
    raw = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": endpoints}
    row = printed("discovery.k8s.io/v1", "EndpointSlice", raw)
    assert row["Endpoints"] == "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."
    cluster = {"spec": {"nodes": 3}}
    assert printed("podwire.dev/v1alpha1", "Cluster", cluster)["Nodes"] == 3


@pytest.mark.parametrize(
    ("accept", "include", "form"),
    [
        (KUBECTL, "", TableForm("v1", "Metadata")),
        (KUBECTL, "Object", TableForm("v1", "Object")),
        ("application/json;as=Table;g=meta.k8s.io;v=v1beta1", "", TableForm("v1beta1", "Metadata")),
        ("application/json", "", None),
        ("", "", None),
        ("application/json, application/json;as=Table;v=v1;g=meta.k8s.io", "", None),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", "", None),
    ],
)
def test_what_an_accept_header_asks_for(accept: str, include: str, form: TableForm | None) -> None:
    assert tables.requested(accept, include) == form


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-3, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (3599, "59m"), (9000, "150m"), (10800, "3h")),
        *((11100, "3h5m"), (86400, "24h"), (172800, "2d"), (176400, "2d1h"), (864000, "10d"), (63072000, "2y")),
    ],
)
def test_ages_read_as_in_kubernetes(seconds: int, text: str) -> None:
    assert human_duration(seconds) == text


def test_a_pod_tells_when_it_was_restarted() -> None:
    raw = pod({"running": {}})
    raw["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"finishedAt": "2024-05-06T07:07:59Z"}}
    assert printed("v1", "Pod", raw)["Restarts"] == "2 (10s ago)"


def test_jobs_tell_how_long_they_took() -> None:
    status = {"startTime": CREATED, "succeeded": 1}
    row = printed("batch/v1", "Job", {"spec": {"completions": 2}, "status": dict(status)})
    assert row == {"Name": "web", "Status": "Running", "Completions": "1/2", "Duration": "3m", "Age": "3m"}
    ended = status | {"completionTime": "2024-05-06T07:05:21Z"}
    row = printed("batch/v1", "Job", {"spec": {"parallelism": 3}, "status": ended})
    assert (row["Duration"], row["Completions"]) == ("12s", "1/1 of 3")
    assert printed("batch/v1", "Job", {"spec": {"completions": 1}})["Duration"] == ""
    row = printed("batch/v1", "CronJob", {"status": {"lastScheduleTime": "2024-05-06T07:08:00Z"}})
    assert row["Last Schedule"] == "9s"
    assert printed("batch/v1", "CronJob", {})["Last Schedule"] == "<none>"


ACCOUNT = {"kind": "ServiceAccount", "namespace": "a", "name": "b"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}


@pytest.mark.parametrize(
    ("api_version", "kind", "raw", "row"),
    [
        (
            "policy/v1",
            "PodDisruptionBudget",
            {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 2}},
            {"Min Available": "1", "Max Unavailable": "N/A", "Allowed Disruptions": 2},
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "x"}, "maxReplicas": 5, "metrics": [CPU]}},
            {
                "Reference": "Deployment/x",
                "Targets": "cpu: <unknown>/80%",
                "MinPods": "<unset>",
                "MaxPods": 5,
                "Replicas": 0,
            },
        ),
        (
            "v1",
            "ResourceQuota",
            {"status": {"hard": {"pods": "9", "limits.cpu": "2"}, "used": {"pods": "1"}}},
            {"Request": "pods: 1/9", "Limit": "limits.cpu: 0/2"},
        ),
        ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "node1"}}, {"Holder": "node1"}),
        (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [ACCOUNT, {"kind": "User", "name": "u"}]},
            {"Role": "Role/r", "Users": "u", "Groups": "", "ServiceAccounts": "a/b"},
        ),
        (
            "apps/v1",
            "ControllerRevision",
            {
                "revision": 2,
                "metadata": {
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True}]
                },
            },
            {"Controller": "daemonset.apps/d", "Revision": 2},
        ),
    ],
)
def test_the_columns_of_rarer_kinds(api_version: str, kind: str, raw: Raw, row: Raw) -> None:
    shown = printed(api_version, kind, raw, wide=True)
    assert {name: cell for name, cell in shown.items() if name not in ("Name", "Age")} == row
    assert shown["Age"] == "3m"


def test_events_told_widely_stand_in_the_order_that_people_know() -> None:
    raw = {"involvedObject": {"kind": "Pod", "name": "p"}, "lastTimestamp": CREATED, "firstTimestamp": CREATED}
    row = printed("v1", "Event", raw | {"message": "m ", "source": {"component": "kubelet", "host": "n"}}, wide=True)
    assert " ".join(row) == "Last Seen Type Reason Object Subobject Source Message First Seen Count Name"
    assert (row["Source"], row["Message"], row["First Seen"]) == ("kubelet, n", "m", "3m")
