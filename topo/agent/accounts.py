"""The ServiceAccount volume of pods: a token of the pod's own, kept fresh, the API's certificate and the namespace.

It is written when the first container starts that runs a command: a stand-in would not read it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from k8sshim.client import SERVICE_ACCOUNTS, token_of
from k8sshim.objects import Key, Raw
from topo.agent import folders
from topo.agent.podspec import PodSpec
from topo.agent.recovery import parse_time
from topo.agent.reporter import Api, Reporter
from topo.agent.workload import StartError

log = logging.getLogger(__name__)
MOUNT_PATH = "/run/secrets/kubernetes.io/serviceaccount"  # programs look in /var/run, which is a link to /run
LIFETIME_S = 3607  # what Kubernetes asks for
_SPENT = 0.8  # the share of its life after which a token is replaced
_APPEARS_S, _LOOK_AGAIN_S = 1.0, 0.1  # a namespace's ServiceAccount `default` is made a moment after it
_RETRY_S = 10.0


class Accounts:
    """The ServiceAccount volumes of this agent's pods."""

    def __init__(self, api: Api, reporter: Reporter, authority: str, *, retry_s: float = _RETRY_S) -> None:
        self._api = api
        self._reporter = reporter
        self._authority = authority  # the certificate that the API's is signed by
        self._retry_s = retry_s
        self._volumes: dict[str, asyncio.Task[bool]] = {}
        self._refreshing: dict[str, asyncio.Task[None]] = {}

    async def mounted(self, spec: PodSpec, folder: Path) -> bool:
        """Whether the pod has such a volume; `folder` holds it then. Raises StartError for an account unknown."""
        volume = self._volumes.get(spec.uid)
        if volume is None or (volume.done() and volume.exception()):
            volume = self._volumes[spec.uid] = asyncio.create_task(self._make(spec, folder))
        return await asyncio.shield(volume)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._volumes.pop(uid, None)
        refreshing = self._refreshing.pop(uid, None)
        if refreshing:
            refreshing.cancel()

    async def _make(self, spec: PodSpec, folder: Path) -> bool:
        if spec.automount is False:
            return False
        account = await self._account(Key(spec.key.namespace, spec.service_account))
        if account is None:
            if spec.service_account == "default":
                return False
            raise StartError(f'serviceaccount "{spec.service_account}" not found')
        if spec.automount is None and account.get("automountServiceAccountToken") is False:
            return False
        fixed = {"ca.crt": self._authority, "namespace": spec.key.namespace}
        expires = await self._renew(spec, folder, fixed)
        if expires is None:
            return False
        self._refreshing[spec.uid] = asyncio.create_task(self._keep_fresh(spec, folder, expires))
        return True

    async def _account(self, key: Key) -> Raw | None:
        deadline = time.monotonic() + _APPEARS_S
        while True:
            get = partial(self._api.get, SERVICE_ACCOUNTS, key)
            account: Raw | None = await self._reporter.insist(get, f"ServiceAccount {key}")
            if account is not None or time.monotonic() > deadline:
                return account
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _keep_fresh(self, spec: PodSpec, folder: Path, expires: float) -> None:
        while True:
            await asyncio.sleep(max(self._retry_s, (expires - time.time()) * _SPENT))
            expires = await self._renew(spec, folder, {}) or expires

    async def _renew(self, spec: PodSpec, folder: Path, fixed: dict[str, str]) -> float | None:
        """When the token expires that was written; None where there is none to have."""
        ask = partial(self._api.create, token_of(spec.service_account), token_request(spec))
        answer: Raw | None = await self._reporter.insist(ask, f"token of ServiceAccount of pod {spec.key}")
        if answer is None:
            return None
        status: dict[str, Any] = answer["status"]
        folders.write(folder, {**fixed, "token": status["token"]})
        return parse_time(status.get("expirationTimestamp"), time.time() + LIFETIME_S)


def token_request(spec: PodSpec) -> Raw:
    """The request for a token that dies with its pod."""
    bound = {"apiVersion": "v1", "kind": "Pod", "name": spec.key.name, "uid": spec.uid}
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"name": spec.service_account, "namespace": spec.key.namespace},
        "spec": {"expirationSeconds": LIFETIME_S, "boundObjectRef": bound},
    }


def authority_of(kubeconfig: Path) -> str:
    """The certificate of the authority that a kubeconfig trusts; "" where it names none."""
    cluster = (yaml.safe_load(kubeconfig.read_text()).get("clusters") or [{}])[0].get("cluster") or {}
    return base64.b64decode(cluster.get("certificate-authority-data") or "").decode()
