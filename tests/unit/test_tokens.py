"""Tokens of ServiceAccounts: what they say, what is refused, and how long they are good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from api_world import NOW, World, pod, target
from cryptography.hazmat.primitives.asymmetric import ec

from k8sshim.objects import Raw
from k8sshim.server.status import ApiError
from k8sshim.server.tokens import ISSUER, Tokens
from k8sshim.server.writes import Chance

pytestmark = pytest.mark.unit
KEY = ec.generate_private_key(ec.SECP256R1())
POD = {"apiVersion": "v1", "kind": "Pod", "name": "web"}


class Office:
    """A namespace with a ServiceAccount `robot` and a pod `web` of it."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.account = self.world.create("ServiceAccount", {"metadata": {"name": "robot"}})
        self.pod = self.world.create("Pod", pod("web", serviceAccountName="robot"))
        self.now = NOW
        self.tokens = Tokens(self.world.store, KEY, Chance(self.clock, lambda: "token-uid"))

    def clock(self) -> datetime:
        return self.now

    def ask(self, name: str = "robot", **spec: Any) -> Raw:
        return self.tokens.issue(target("ServiceAccount", name, subresource="token"), {"spec": spec})

    def token(self, **spec: Any) -> str:
        token: str = self.ask(**spec)["status"]["token"]
        return token

    def good(self, token: str) -> bool:
        return self.tokens.accepts(token)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_claims_are_those_of_kubernetes(office: Office) -> None:
    answer = office.ask(boundObjectRef=POD | {"uid": office.pod["metadata"]["uid"]})
    claims = jwt.decode(
        answer["status"]["token"], KEY.public_key(), ["ES256"], audience=ISSUER, options={"verify_exp": False}
    )
    began = int(NOW.timestamp())
    assert claims == {
        "iss": ISSUER,
        "sub": "system:serviceaccount:default:robot",
        "aud": [ISSUER],
        "iat": began,
        "nbf": began,
        "exp": began + 3600,
        "jti": "token-uid",
        "kubernetes.io": {
            "namespace": "default",
            "serviceaccount": {"name": "robot", "uid": office.account["metadata"]["uid"]},
            "pod": {"name": "web", "uid": office.pod["metadata"]["uid"]},
        },
    }
    assert (answer["kind"], answer["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert answer["spec"]["expirationSeconds"] == 3600
    assert answer["status"]["expirationTimestamp"] == "2024-05-06T08:08:09Z"


def test_a_token_is_good_while_it_lasts(office: Office) -> None:
    token = office.token(expirationSeconds=600)
    assert office.good(token)
    for passed_s, good in ((-1, False), (599, True), (600, False)):
        office.now = NOW + timedelta(seconds=passed_s)
        assert office.good(token) is good


def test_a_token_ends_with_its_service_account(office: Office) -> None:
    token = office.token()
    office.world.delete("ServiceAccount", "robot")
    assert not office.good(token)
    office.world.create("ServiceAccount", {"metadata": {"name": "robot"}})
    assert not office.good(token) and office.good(office.token())


def test_a_token_ends_with_the_pod_that_it_is_bound_to(office: Office) -> None:
    bound, free = office.token(boundObjectRef=POD), office.token()
    office.world.delete("Pod", "web")
    assert not office.good(bound) and office.good(free)
    office.world.create("Pod", pod("web", serviceAccountName="robot"))
    assert not office.good(bound)


def test_what_another_signed_or_meant_for_another_is_no_token(office: Office) -> None:
    claims = jwt.decode(office.token(), options={"verify_signature": False})
    other = ec.generate_private_key(ec.SECP256R1())
    assert not office.good(jwt.encode(claims, other, "ES256"))
    assert not office.good(jwt.encode(claims, None, "none"))
    assert not office.good(jwt.encode({**claims, "iss": "somebody"}, KEY, "ES256"))
    assert not office.good(office.token(audiences=["vault"]))
    assert not office.good("not a token") and not office.good("")
    assert office.good(jwt.encode(claims, KEY, "ES256"))


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"expirationSeconds": 599}, 422, "spec.expirationSeconds: Invalid value: 599: may not specify a duration"),
        ({"expirationSeconds": 1 << 33}, 422, "larger than 2^32 seconds"),
        ({"expirationSeconds": "1h"}, 422, "must be a whole number"),
        ({"audiences": "vault"}, 422, "must be a list of strings"),
        ({"boundObjectRef": []}, 422, "is no object"),
        ({"boundObjectRef": {**POD, "name": "gone"}}, 404, 'pods "gone" not found'),
        ({"boundObjectRef": {**POD, "uid": "x"}}, 409, "does not match the UID in record"),
        ({"boundObjectRef": {**POD, "kind": "Service"}}, 400, "cannot bind token to object of type v1, Kind=Service"),
        ({"boundObjectRef": {**POD, "name": "other"}}, 400, "different serviceaccount name"),
    ],
)
def test_what_cannot_be_had_is_said_as_kubernetes_says_it(office: Office, spec: Raw, code: int, message: str) -> None:
    office.world.create("Pod", pod("other"))
    with pytest.raises(ApiError) as refused:
        office.ask(**spec)
    assert refused.value.code == code and message in str(refused.value)


def test_requests_of_another_kind_or_account_are_refused(office: Office) -> None:
    where = target("ServiceAccount", "robot", subresource="token")
    with pytest.raises(ApiError, match="does not match the expected kind"):
        office.tokens.issue(where, {"kind": "TokenReview"})
    with pytest.raises(ApiError, match='serviceaccounts "nobody" not found'):
        office.tokens.issue(replace(where, name="nobody"), {})
