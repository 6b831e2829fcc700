"""Waits until a lab has become what was asked for: nodes and pods ready, and a network that forwards their packets."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from k8sshim.client import Client
from k8sshim.errors import PodwireError
from k8sshim.manifests import Document
from lab import following, network
from lab.readiness import Survey
from lab.state import Lab

_ROUND_S = 1.0  # after which who is to be asked is looked up anew
_SHOWN = 3  # that are named one by one


class NotReady(PodwireError):
    """The lab is up, but not all its nodes and pods became ready in time."""


def settle(
    lab: Lab,
    client: Client,
    documents: Collection[Document],
    *,
    nodes: int,
    timeout_s: float,
    report: Callable[[Survey], None],
    silently: Collection[Document] = (),
) -> None:
    """Wait until that many nodes and everything that the documents ask for are ready. Raises NotReady.

    What `silently` asks for is waited for as well, and not reported.
    """
    deadline = time.monotonic() + timeout_s
    last = following.wait_ready(client, documents, nodes, timeout_s, report)
    if not last.complete(nodes):
        raise _late(lab, _shortage(last, nodes), last.waiting)
    if silently:
        last = following.wait_ready(client, silently, 0, max(deadline - time.monotonic(), 0), lambda _: None)
        if not last.complete(0):
            raise _late(lab, _shortage(last, 0), last.waiting)
    silent = network.silent(lab, client, _ROUND_S)
    while silent and time.monotonic() < deadline:
        silent = network.silent(lab, client, _ROUND_S)
    if silent:
        raise _late(lab, f"no answer from the network to {len(silent)}", silent)


def _shortage(last: Survey, nodes: int) -> str:
    short = [f"{nodes - last.nodes_ready} of {nodes} nodes"] if last.nodes_ready < nodes else []
    missing = last.pods_expected - last.pods_ready
    short += [f"{missing} of {last.pods_expected} pods"] if missing > 0 else []
    return " and ".join(short) or f"{last.unsettled} workloads"


def _late(lab: Lab, what: str, names: Sequence[str]) -> NotReady:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    named = "; ".join([*names[:_SHOWN], *more])
    return NotReady(": ".join(part for part in (f'lab "{lab.name}" is up, but not ready in time', what, named) if part))
