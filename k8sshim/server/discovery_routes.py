"""Discovery over HTTP: `/api`, `/apis` and what is below them, plain or in one answer."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from k8sshim.objects import Raw
from k8sshim.records import encode

from . import discovery
from .responses import json_response
from .served import Served
from .status import no_such_resource

_PATHS = ("/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
_AGGREGATED = ("v2", "v2beta1")


@dataclass(frozen=True)
class Discovery:
    """Tells what is served now."""

    served: Served

    def routes(self) -> list[Route]:
        return [
            Route("/", self._paths),
            Route("/api", self._core_versions),
            Route("/apis", self._group_list),
            Route("/apis/{group}", self._group),
            Route("/api/{version}", self._resource_list),
            Route("/apis/{group}/{version}", self._resource_list),
        ]

    async def _paths(self, request: Request) -> Response:
        groups = discovery.group_list(self.served.kinds)["groups"]
        versions = [f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]]
        named = [f"/apis/{group['name']}" for group in groups]
        return json_response({"paths": sorted({*_PATHS, *named, *versions})})

    async def _core_versions(self, request: Request) -> Response:
        plain = discovery.core_versions(self.served.kinds, request.url.netloc)
        return self._aggregated(request, core=True) or json_response(plain)

    async def _group_list(self, request: Request) -> Response:
        return self._aggregated(request, core=False) or json_response(discovery.group_list(self.served.kinds))

    async def _group(self, request: Request) -> Response:
        return _found(discovery.group(self.served.kinds, request.path_params["group"]))

    async def _resource_list(self, request: Request) -> Response:
        group, version = request.path_params.get("group", ""), request.path_params["version"]
        return _found(discovery.resource_list(self.served.kinds, group, version))

    def _aggregated(self, request: Request, *, core: bool) -> Response | None:
        """All groups and what is in them, for a client that asks for it first."""
        wanted = request.headers.get("accept", "").split(",")[0].replace(" ", "")
        for version in _AGGREGATED:
            media_type = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            if wanted == media_type:
                raw = discovery.aggregated(self.served.kinds, core=core, version=version)
                return Response(encode(raw), media_type=media_type)
        return None


def _found(raw: Raw | None) -> Response:
    if raw is None:
        raise no_such_resource()
    return json_response(raw)
