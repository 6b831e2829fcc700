"""Requests to the API server, in plain JSON, with answers that are not 2xx turned into podwire's errors.

lightkube reads the kubeconfig and makes the connection (TLS, credentials, a pool of kept connections). Its typed layer
is passed by: podwire compares objects as the JSON they came as, must reach a watch's socket to end it, and saves a
quarter of a request's cost. A client may be used from several threads, and under eventlet's monkey-patching.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2 as httpx
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.types import PatchType

from k8sshim.client import failures
from k8sshim.client.failures import Absent, Unreachable
from k8sshim.client.resources import Resource
from k8sshim.client.watch import WATCH_S, Watch
from k8sshim.errors import BadInput
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

TIMEOUT_S = 30.0  # of one request
_NAME = "podwire"  # in managedFields, where a request names no manager
_PAGE = 500  # objects of one answer to a list
_STRATEGIES = {"merge": PatchType.MERGE, "strategic": PatchType.STRATEGIC, "json": PatchType.JSON}


class Client:
    """The API server that a kubeconfig names; without one, that of the cluster whose pod this runs in."""

    def __init__(self, kubeconfig: Path | None) -> None:
        config = _config(kubeconfig) if kubeconfig else _config_of_pod()
        self.url = config.cluster.server
        # Not of the environment: a proxy that stands there is meant for the Internet, not for the lab.
        parameters = client_adapter.ConnectionParams(timeout=httpx.Timeout(TIMEOUT_S), trust_env=False)
        logging.getLogger(httpx.__name__).setLevel(logging.WARNING)  # it says a line a request otherwise
        self._http = client_adapter.Client(config, parameters)
        self._http.headers["User-Agent"] = _NAME

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when the API server says that it is ready. Raises Unreachable when it has not after that long."""
        deadline, pause_s = time.monotonic() + timeout_s, 0.02
        while True:
            try:
                # Where the server's socket is open before it runs, a request waits in there instead of failing.
                self._request("GET", "/readyz", timeout_s=max(deadline - time.monotonic(), 0.1))
                return
            except Unreachable:
                if time.monotonic() + pause_s > deadline:
                    raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.5)

    def get(self, resource: Resource, key: Key) -> Raw | None:
        """One object, or None where there is none."""
        try:
            return failures.decoded(self._request("GET", resource.path(key)))
        except Absent:
            return None

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        labels: str | Selector | None = None,
        *,
        fields: str = "",
    ) -> tuple[list[Raw], str]:
        """The objects (of all namespaces, or of one), and the resourceVersion to watch from."""
        asked = {"limit": str(_PAGE), "labelSelector": str(labels or ""), "fieldSelector": fields}
        params = {name: value for name, value in asked.items() if value}
        items: list[Raw] = []
        while True:
            page = failures.decoded(self._request("GET", resource.collection(namespace), params=params))
            for item in page.get("items") or ():  # the items of a list come without these two, says the API
                items.append({"apiVersion": resource.api_version, "kind": resource.kind, **item})
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion") or "")
            params["continue"] = metadata["continue"]

    def create(self, resource: Resource, raw: Raw) -> Raw:
        """Create an object. Raises Conflict where one of that name exists."""
        return failures.decoded(self._request("POST", resource.collection(Key.of(raw).namespace), body=raw))

    def update(self, resource: Resource, raw: Raw) -> Raw:
        """Replace an object. Raises Conflict where it changed since `raw` was read, Absent where it is gone."""
        return failures.decoded(self._request("PUT", resource.path(Key.of(raw)), body=raw))

    def update_status(self, resource: Resource, raw: Raw) -> Raw:
        """Replace an object's status alone; raises as `update`."""
        return failures.decoded(self._request("PUT", resource.path(Key.of(raw), "status"), body=raw))

    def patch(
        self,
        resource: Resource,
        key: Key,
        patch: Raw | Sequence[Raw],
        *,
        subresource: str = "",
        strategy: str = "merge",
    ) -> Raw:
        """Change parts of an object. `strategy` is merge (RFC 7396), strategic, or json (RFC 6902)."""
        media_type = _STRATEGIES[strategy].value
        return failures.decoded(
            self._request("PATCH", resource.path(key, subresource), body=patch, media_type=media_type)
        )

    def delete(self, resource: Resource, key: Key, *, grace_period_s: int | None = None) -> Raw | None:
        """Delete an object; None where there was none. Returns the object, or a Status, as the server says."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace_period_s}
        try:
            return failures.decoded(
                self._request("DELETE", resource.path(key), body=None if grace_period_s is None else body)
            )
        except Absent:
            return None

    def watch(
        self,
        resource: Resource,
        resource_version: str,
        *,
        namespace: str | None = None,
        fields: str = "",
        labels: str = "",
    ) -> Watch:
        """Changes since that version until the server ends it: (ADDED, MODIFIED, DELETED or BOOKMARK; the object)."""
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_S),
            "fieldSelector": fields,
            "labelSelector": labels,
        }
        params = {name: value for name, value in asked.items() if value}
        return Watch(self._http, self.url, resource.collection(namespace), params)

    def close(self) -> None:
        self._http.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: object = None,
        media_type: str = "application/json",
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = None if body is None else {"Content-Type": media_type}
        try:
            response = self._http.request(
                method, path, params=params, content=content, headers=headers, timeout=timeout_s
            )
        except httpx.RequestError as error:
            raise failures.unreachable(self.url, error) from error
        if response.is_success:
            return response.content
        raise failures.of_answer(response.status_code, response.content)


def _config(kubeconfig: Path) -> SingleConfig:
    try:
        config = KubeConfig.from_file(kubeconfig).get()
    except Exception as error:  # what a malformed file makes lightkube raise is whatever it stumbles over
        reason = f"{type(error).__name__}: {error}"
        raise BadInput.of(f"cannot be used as a kubeconfig: {reason}", file=str(kubeconfig)) from error
    if config is None or config.user is None:
        raise BadInput.of("names no user for its current context", file=str(kubeconfig))
    return config


def _config_of_pod() -> SingleConfig:
    """What a ServiceAccount's token is mounted for: it is read anew when the server no longer takes it."""
    try:
        config = KubeConfig.from_service_account().get()
    except (ConfigError, OSError, KeyError) as error:
        raise BadInput.of(f"no kubeconfig, and no ServiceAccount's token of a pod: {error}") from error
    assert config is not None  # it names its own context
    return config
