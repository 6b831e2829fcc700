"""Tokens of ServiceAccounts over HTTP: as a pod uses them."""

from __future__ import annotations

import kubernetes.client
import kubernetes.config
import pytest
from api_process import ApiProcess

pytestmark = pytest.mark.contract
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"


def with_token(server: ApiProcess, token: str) -> int:
    return server.request("GET", PODS, headers={"Authorization": f"Bearer {token}"})[0]


def test_a_pods_token_opens_the_api_until_the_pod_is_gone(api_server: ApiProcess) -> None:
    api_server.ok("POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    spec = {"serviceAccountName": "robot", "containers": [{"name": "main", "image": "app"}]}
    pod = api_server.ok("POST", PODS, {"metadata": {"name": "web"}, "spec": spec})
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"]}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": reference}}
    code, answer = api_server.request("POST", f"{ACCOUNTS}/robot/token", request)
    assert code == 201
    token = answer["status"]["token"]
    assert with_token(api_server, token) == 200 and with_token(api_server, token + "x") == 401
    api_server.restart()
    assert with_token(api_server, token) == 200
    assert api_server.request("GET", f"{ACCOUNTS}/robot/token")[0] == 405
    api_server.ok("DELETE", f"{PODS}/web")
    assert with_token(api_server, token) == 401


def test_the_official_client_has_a_token_made(api_server: ApiProcess) -> None:
    api_server.ok("POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    with kubernetes.config.new_client_from_config(str(api_server.kubeconfig)) as connection:
        request = kubernetes.client.AuthenticationV1TokenRequest(spec={"audiences": [], "expirationSeconds": 600})
        made = kubernetes.client.CoreV1Api(connection).create_namespaced_service_account_token(
            "robot", "default", request
        )
    assert with_token(api_server, made.status.token) == 200
