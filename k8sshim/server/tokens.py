"""Tokens of ServiceAccounts: the subresource `serviceaccounts/NAME/token`, and whose tokens are good.

A token is a signed JWT with the claims of Kubernetes'. It is good for as long as what it names exists: the
ServiceAccount, and the pod, Secret or Node that it is bound to (KEP-1205).
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Key, Raw
from k8sshim.store import Store
from k8sshim.validation.field import Field

from .admission import timestamp
from .rbac import User
from .resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, TOKEN_REQUESTS, resource_name
from .routing import Target
from .status import bad_request, conflict, invalid, not_found
from .writes import Chance

ISSUER = "https://kubernetes.default.svc.cluster.local"
_ALGORITHM = "ES256"
_CLAIM = "kubernetes.io"
_USUAL_S, _SHORTEST_S, _LONGEST_S = 3600, 600, 1 << 32
_BOUND_TO = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}


class Tokens:
    """Issues tokens and judges them."""

    def __init__(self, store: Store, key: EllipticCurvePrivateKey, chance: Chance) -> None:
        self._store = store
        self._key = key
        self._chance = chance

    def issue(self, target: Target, body: Raw) -> Raw:
        """The answer to a TokenRequest: the request with its status. Raises ApiError 400, 404, 409, 422."""
        account = self._existing(SERVICE_ACCOUNTS, target.key)
        spec = _spec(target, body)
        now, lifetime = self._chance.now(), timedelta(seconds=spec["expirationSeconds"])
        names = {"namespace": target.namespace, "serviceaccount": _reference(account)}
        names |= self._bound(target, spec.get("boundObjectRef"))
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{target.namespace}:{target.name}",
            "aud": spec["audiences"],
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": self._chance.uid(),
            _CLAIM: names,
        }
        return {
            "apiVersion": TOKEN_REQUESTS.api_version,
            "kind": TOKEN_REQUESTS.kind,
            "metadata": {"name": target.name, "namespace": target.namespace, "creationTimestamp": timestamp(now)},
            "spec": spec,
            "status": {
                "token": jwt.encode(claims, self._key, algorithm=_ALGORITHM),
                "expirationTimestamp": timestamp(now + lifetime),
            },
        }

    def accepts(self, token: str) -> bool:
        """Whether a bearer token is one of ours, for this server, in time, and of what still exists."""
        return self.user_of(token) is not None

    def user_of(self, token: str) -> User | None:
        """The ServiceAccount that such a token is of."""
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[_ALGORITHM],
                audience=ISSUER,
                issuer=ISSUER,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},  # by the server's own clock
            )
        except jwt.InvalidTokenError:
            return None
        names, now = claims[_CLAIM], self._chance.now()
        in_time = claims["nbf"] <= now.timestamp() < claims["exp"]
        if not in_time or not all(self._exists(*each) for each in _named(names)):
            return None
        return User.of_account(str(claims["sub"]))

    def _exists(self, kind: Kind, key: Key, uid: str) -> bool:
        record = self._store.get(resource_name(kind), key)
        return record is not None and record.uid == uid

    def _existing(self, kind: Kind, key: Key) -> Raw:
        record = self._store.get(resource_name(kind), key)
        if record is None:
            raise not_found(kind, key.name)
        return record.decode()

    def _bound(self, target: Target, reference: Raw | None) -> Raw:
        """The claim that names what the token is bound to, and a pod's node."""
        if not reference:
            return {}
        name, kind = str(reference.get("name") or ""), _BOUND_TO.get(str(reference.get("kind")))
        if kind is None or reference.get("apiVersion") != kind.api_version:
            raise bad_request(
                f"cannot bind token to object of type {reference.get('apiVersion')}, Kind={reference.get('kind')}"
            )
        bound = self._existing(kind, Key(target.namespace if kind.namespaced else "", name))
        if kind is PODS and bound["spec"].get("serviceAccountName") != target.name:
            raise bad_request(
                f'cannot bind token for serviceaccount "{target.name}" to pod running with different serviceaccount'
                " name."
            )
        uid = bound["metadata"]["uid"]
        if reference.get("uid") not in (None, "", uid):
            raise conflict(
                kind,
                name,
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record."
                " The object might have been deleted and then recreated",
            )
        return {kind.kind.lower(): _reference(bound)}


def _spec(target: Target, body: Raw) -> Raw:
    """A request's spec, filled in. Raises ApiError 422."""
    for field, expected in (("apiVersion", TOKEN_REQUESTS.api_version), ("kind", TOKEN_REQUESTS.kind)):
        if body.get(field, expected) != expected:
            raise bad_request(f"{field} in the data ({body[field]}) does not match the expected {field} ({expected})")
    given = body.get("spec") or {}
    if problems := list(_problems(Field(given, "spec"))):
        raise invalid(TOKEN_REQUESTS, target.name, problems)
    lifetime_s = _USUAL_S if given.get("expirationSeconds") is None else given["expirationSeconds"]
    return {**given, "audiences": given.get("audiences") or [ISSUER], "expirationSeconds": lifetime_s}


def _problems(spec: Field) -> Iterator[Problem]:
    seconds, audiences, bound = spec["expirationSeconds"], spec["audiences"], spec["boundObjectRef"]
    if not isinstance(spec.value, dict):
        yield spec.invalid("is no object")
    if seconds and seconds.number is None:
        yield seconds.invalid("must be a whole number")
    elif seconds and seconds.value < _SHORTEST_S:
        yield seconds.invalid("may not specify a duration less than 10 minutes")
    elif seconds and seconds.value > _LONGEST_S:
        yield seconds.invalid("may not specify a duration larger than 2^32 seconds")
    if not isinstance(audiences.value, list | None) or not all(isinstance(each, str) for each in audiences.value or ()):
        yield audiences.invalid("must be a list of strings")
    if not isinstance(bound.value, dict | None):
        yield bound.invalid("is no object")


def _reference(raw: Raw) -> dict[str, str]:
    return {"name": raw["metadata"]["name"], "uid": raw["metadata"]["uid"]}


def _named(claim: dict[str, Any]) -> Iterator[tuple[Kind, Key, str]]:
    """The objects that a token names."""
    for name, kind in (("serviceaccount", SERVICE_ACCOUNTS), *((kind.lower(), k) for kind, k in _BOUND_TO.items())):
        reference = claim.get(name)
        if reference:
            namespace = claim["namespace"] if kind.namespaced else ""
            yield kind, Key(namespace, reference["name"]), reference["uid"]
