"""Finds the container that a stream is of, and asks its node's agent for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from k8sshim import frames
from k8sshim.objects import Key, Raw
from k8sshim.records import Record
from k8sshim.server.resources import NODES, PODS, resource_name
from k8sshim.server.routing import Target
from k8sshim.server.status import ApiError, bad_request, internal_error, not_found, upgrade_required
from k8sshim.store import Store

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_REASONS = {400: "BadRequest", 404: "NotFound"}
_LONGEST_ANSWER = 1 << 24  # bytes of a line
_KINDS = ("containers", "initContainers", "ephemeralContainers")


def container_of(pod: Raw, wanted: str) -> str:
    """The container that a request is about. Raises ApiError 400 where it names none that is there."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    own = [each["name"] for each in spec.get("containers") or ()]
    every = [each["name"] for kind in _KINDS for each in spec.get(kind) or ()]
    wanted = wanted or (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER) or ""
    if not wanted and len(own) == 1:
        return str(own[0])
    if not wanted:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: {_listed(every)}")
    if wanted not in every:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _listed(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"


async def why_no_stream(nodes: Nodes, target: Target, query: Mapping[str, str]) -> ApiError:
    """What to tell a client whose request cannot become a stream: kubectl asks so when its WebSocket was refused, and
    shows this answer, so it is what was wrong there where something was."""
    try:
        pod = nodes.pod(target)
        _, writer = await nodes.ask(pod, {"do": "look", "container": container_of(pod, query.get("container") or "")})
        writer.close()
    except ApiError as error:
        return error
    return upgrade_required()


class Nodes:
    """The way to the agents of pods' nodes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def pod(self, target: Target) -> Raw:
        """The pod that a request is about. Raises ApiError 404."""
        record = self._store.get(resource_name(PODS), target.key)
        if record is None:
            raise not_found(PODS, target.name)
        return record.decode()

    async def ask(self, pod: Raw, asked: Raw) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A conversation with the pod's node about it. Raises ApiError as the agent says, 500 where it is away."""
        node = (pod.get("spec") or {}).get("nodeName") or ""
        if not node:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket(node))
        except OSError as error:
            raise internal_error(f"error dialing backend: the agent of node {node} does not answer") from error
        try:
            writer.write(frames.line({**asked, "uid": pod["metadata"]["uid"]}))
            answer = await frames.read_line(reader)
        except OSError as error:
            writer.close()
            raise internal_error(f"the agent of node {node} hung up") from error
        if answer:
            writer.close()
            code = int(answer["code"])
            raise ApiError(code, _REASONS.get(code, "InternalError"), str(answer["message"]))
        return reader, writer

    async def usage(self) -> list[Raw]:
        """What all containers use, as the agents say that answer."""
        records = self._store.records(resource_name(NODES))
        paths = sorted({path for record in records if (path := _path(record))})
        answers = await asyncio.gather(*map(_usage, paths))
        return [each for answer in answers for each in answer]

    def _socket(self, node: str) -> str:
        record = self._store.get(resource_name(NODES), Key("", node))
        path = _path(record) if record else ""
        if not path:
            raise internal_error(f"node {node} has no agent that serves streams")
        return path


def _path(node: Record) -> str:
    return str((node.decode()["metadata"].get("annotations") or {}).get(frames.STREAMS_ANNOTATION) or "")


async def _usage(path: str) -> list[Raw]:
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST_ANSWER)
        writer.write(frames.line({"do": "usage"}))
        await frames.read_line(reader)
        answer = await frames.read_line(reader)
        writer.close()
    except OSError:
        return []
    return list(answer.get("usage") or ())
