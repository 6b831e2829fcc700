"""Who asks, and what each may do: reviews, and RBAC where it is turned on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_process import ApiProcess
from kubectl_process import Kubectl

pytestmark = pytest.mark.contract

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    server = ApiProcess(tmp_path_factory.mktemp("rbac"), options=["--rbac"])
    try:
        server.start()
        server.ok("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "reader"}})
        role = {"metadata": {"name": "reader"}, "rules": [rule("get", "list", resources=["pods", "pods/log"])]}
        server.ok("POST", f"{RBAC}/namespaces/default/roles", role)
        binding = {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
        }
        server.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
        yield server
    finally:
        server.close()


def rule(*verbs: str, resources: list[str]) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": resources, "verbs": list(verbs)}


def bearer(server: ApiProcess, account: str) -> dict[str, str]:
    path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
    return {"Authorization": f"Bearer {server.ok('POST', path, {})['status']['token']}"}


def test_roles_say_what_an_account_may_do(server: ApiProcess) -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/rbac/: "Permissions are purely additive"."""
    reader = bearer(server, "reader")
    assert server.request("GET", PODS, headers=reader)[0] == 200
    for method, path, what in (
        ("GET", f"{PODS}?watch=true", 'cannot watch resource "pods"'),
        ("GET", "/api/v1/pods", 'cannot list resource "pods" in API group "" at the cluster scope'),
        ("DELETE", f"{PODS}/web", 'cannot delete resource "pods"'),
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments",
            'cannot list resource "deployments" in API group "apps"',
        ),
    ):
        code, status = server.request(method, path, headers=reader)
        assert (code, status["reason"]) == (403, "Forbidden")
        assert 'User "system:serviceaccount:default:reader"' in status["message"] and what in status["message"]
    assert server.request("GET", "/apis", headers=reader)[0] == 200


def test_reviews(server: ApiProcess) -> None:
    reader = bearer(server, "reader")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("list", True), ("create", False)):
        spec = {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}}
        assert server.ok("POST", path, {"spec": spec}, reader)["status"]["allowed"] is allowed
        assert server.ok("POST", path, {"spec": spec})["status"]["allowed"] is True
    me = server.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})["status"]["userInfo"]
    assert me == {"username": "podwire-admin", "groups": ["system:masters", "system:authenticated"]}
    review = {"spec": {"token": reader["Authorization"].split()[1]}}
    known = server.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert known["user"]["username"] == "system:serviceaccount:default:reader"
    unknown = server.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}})["status"]
    assert unknown["authenticated"] is False
    rules = server.ok(
        "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert rules["status"]["resourceRules"][0]["resources"] == ["*"]
    assert server.request("POST", path, {"spec": {}})[0] == 400


def test_kubernetes_own_roles_are_there_and_hold_as_any_other(server: ApiProcess) -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings"""
    named = {each["metadata"]["name"] for each in server.ok("GET", f"{RBAC}/clusterroles")["items"]}
    assert {"cluster-admin", "admin", "edit", "view", "system:basic-user", "system:discovery"} <= named
    server.ok("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "other"}})
    other = bearer(server, "other")
    secrets, deployments = "/api/v1/namespaces/default/secrets", "/apis/apps/v1/namespaces/default/deployments"
    roles = f"{RBAC}/namespaces/default/rolebindings"
    for role, codes in (("view", (403, 200, 403)), ("edit", (200, 200, 403)), ("admin", (200, 200, 200))):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        subject = {"kind": "ServiceAccount", "name": "other", "namespace": "default"}
        binding = {"metadata": {"name": "other"}, "roleRef": reference, "subjects": [subject]}
        server.ok("POST", roles, binding)
        asked = (secrets, deployments, roles)
        assert tuple(server.request("GET", path, headers=other)[0] for path in asked) == codes, role
        assert server.request("GET", "/api/v1/nodes", headers=other)[0] == 403
        server.ok("DELETE", f"{roles}/other")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_auth(server: ApiProcess, tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", server, tmp_path)
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "podwire-admin" in kubectl("auth", "whoami")


def test_nobody_gives_away_more_than_they_have(server: ApiProcess) -> None:
    """ "You can only create/update a role if [...] you already have all the permissions contained in the role [...], or
    you are granted explicit permission to perform the `escalate` verb"; "you can only create/update a role binding if
    you already have all the permissions contained in the referenced role"."""
    roles, bindings = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
    server.ok("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "giver"}})
    rights = [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]},
        rule("get", "list", resources=["pods"]),
    ]
    rights[0]["verbs"] = ["create", "update", "patch"]
    server.ok("POST", roles, {"metadata": {"name": "giver"}, "rules": rights})
    subject = {"kind": "ServiceAccount", "name": "giver", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "giver"}
    server.ok("POST", bindings, {"metadata": {"name": "giver"}, "roleRef": reference, "subjects": [subject]})
    giver = bearer(server, "giver")
    server.ok("POST", roles, {"metadata": {"name": "less"}, "rules": [rule("get", resources=["pods"])]}, giver)
    for method, path, body in (
        ("POST", roles, {"metadata": {"name": "more"}, "rules": [rule("delete", resources=["pods"])]}),
        ("PATCH", f"{roles}/less", {"rules": [rule("get", resources=["*"])]}),
        (
            "POST",
            bindings,
            {"metadata": {"name": "more"}, "roleRef": {**reference, "name": "edit", "kind": "ClusterRole"}},
        ),
    ):
        kind = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        code, status = server.request(method, path, body, giver | kind)
        assert (code, status["reason"]) == (403, "Forbidden")
        who = 'user "system:serviceaccount:default:giver" (groups=["system:serviceaccounts" '
        assert (
            who in status["message"]
            and "is attempting to grant RBAC permissions not currently held:" in status["message"]
        )
    assert server.request("GET", f"{roles}/more")[0] == server.request("GET", f"{bindings}/more")[0] == 404
    assert server.ok("GET", f"{roles}/less")["rules"] == [rule("get", resources=["pods"])]
    reference = {**reference, "name": "less"}
    server.ok("POST", bindings, {"metadata": {"name": "less"}, "roleRef": reference}, giver)


def test_the_owner_may_act_as_somebody_else_and_others_may_not(server: ApiProcess) -> None:
    """ "kubectl --as": the request "must have the impersonate verb for the attribute they impersonate"."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    account = {"Impersonate-User": "system:serviceaccount:default:reader"}
    me = server.ok("POST", path, {}, account)["status"]["userInfo"]
    assert me["username"] == account["Impersonate-User"]
    assert me["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    assert server.request("GET", PODS, headers=account)[0] == 200
    assert server.request("DELETE", f"{PODS}/web", headers=account)[0] == 403
    bob = {"Impersonate-User": "bob", "Impersonate-Group": "dev"}
    assert server.ok("POST", path, {}, bob)["status"]["userInfo"]["groups"] == ["dev", "system:authenticated"]
    code, status = server.request("GET", PODS, headers=bob)
    assert code == 403 and 'User "bob" cannot list resource "pods"' in status["message"]
    code, status = server.request("GET", PODS, headers=bearer(server, "reader") | {"Impersonate-User": "bob"})
    who = 'User "system:serviceaccount:default:reader" cannot impersonate resource "users" in API group ""'
    assert code == 403 and status["message"] == f'users "bob" is forbidden: {who} at the cluster scope'
    assert server.request("GET", PODS, headers={"Impersonate-Group": "dev"})[0] == 400
