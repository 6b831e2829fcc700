"""Kubernetes' own tests of NetworkPolicy's API, [sig-network] Netpol API, each by its name, with kubectl.

What each demands is in Kubernetes' test/e2e/network/netpol/network_policy_api.go.
"""

from __future__ import annotations

import json

import pytest
from cluster import Namespace, Raw
from netpol.model import labels, policy

pytestmark = pytest.mark.e2e
GROUP = "/apis/networking.k8s.io"
LABEL = {"special-label": "netpol-api"}
SELECTED = "special-label=netpol-api"


def named(number: int | str) -> Raw:
    """The test's policy, with its label."""
    peer = {"podSelector": labels(**{"pod-name": "client-a"}), "namespaceSelector": labels(**{"ns-name": "pod-b"})}
    made = policy(f"e2e-example-netpol-{number}", labels(**{"pod-name": "test-pod"}), ingress=[{"from": [peer]}])
    return {**made, "metadata": {**made["metadata"], "labels": LABEL}}


def collection(ns: Namespace, everywhere: bool = False) -> str:
    where = "" if everywhere else f"/namespaces/{ns.name}"
    return f"{GROUP}/v1{where}/networkpolicies?labelSelector={SELECTED.replace('=', '%3D')}"


def listed(ns: Namespace, *, everywhere: bool = False) -> Raw:
    found: Raw = json.loads(ns.kubectl("get", "--raw", collection(ns, everywhere)))
    return found


def test_should_support_creating_networkpolicy_api_operations(ns: Namespace) -> None:
    groups = json.loads(ns.kubectl("get", "--raw", "/apis"))["groups"]
    versions = {group["name"]: [one["version"] for one in group["versions"]] for group in groups}
    assert "v1" in versions["networking.k8s.io"]
    assert "v1" in [one["version"] for one in json.loads(ns.kubectl("get", "--raw", GROUP))["versions"]]
    resources = json.loads(ns.kubectl("get", "--raw", f"{GROUP}/v1"))["resources"]
    assert "networkpolicies" in [one["name"] for one in resources]

    ns.create(*(named(number) for number in (1, 2, 3)))
    name = "e2e-example-netpol-3"
    created = ns.get("networkpolicy", name)
    before = listed(ns)
    assert len(before["items"]) == len(listed(ns, everywhere=True)["items"]) == 3
    assert created["metadata"]["uid"] in [one["metadata"]["uid"] for one in before["items"]]

    ns.patch("networkpolicy", name, {"metadata": {"annotations": {"patched": "true"}}})
    patched = ns.get("networkpolicy", name)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    patched["metadata"]["annotations"]["updated"] = "true"
    ns.kubectl("replace", "-f", "-", text=json.dumps(patched))
    for everywhere in (False, True):
        since = f"&watch=true&timeoutSeconds=1&resourceVersion={before['metadata']['resourceVersion']}"
        events = map(json.loads, ns.kubectl("get", "--raw", collection(ns, everywhere) + since).splitlines())
        seen = [(one["type"], one["object"]["metadata"]["annotations"]) for one in events]
        assert [kind for kind, _ in seen] == ["MODIFIED", "MODIFIED"]
        assert seen[-1][1] == {"patched": "true", "updated": "true"}

    ns.kubectl("delete", "networkpolicy", name)
    assert "NotFound" in ns.tries("get", "networkpolicy", name).stderr
    assert len(listed(ns)["items"]) == 2
    ns.kubectl("delete", "--raw", collection(ns))
    assert listed(ns)["items"] == []


def with_port(**port: int | str) -> Raw:
    made = policy("e2e-example-netpol-endport-validate", labels(**{"pod-name": "test-pod"}), egress=[{"ports": [port]}])
    return {**made, "metadata": {**made["metadata"], "labels": LABEL}}


def test_should_support_creating_networkpolicy_api_with_endport_field(ns: Namespace) -> None:
    def refused(wrong: Raw) -> bool:
        return "endPort" in ns.tries("create", "--validate=false", "-f", "-", text=json.dumps(wrong)).stderr

    assert refused(with_port(endPort=20000))
    assert refused(with_port(port="serve-80", endPort=20000))
    assert refused(with_port(port=30000, endPort=20000))
    for port in (20000, 10000):  # equal, and greater
        ns.create(with_port(port=port, endPort=20000))
        assert len(listed(ns)["items"]) == 1
        ns.kubectl("delete", "--raw", collection(ns))
    assert listed(ns)["items"] == []
