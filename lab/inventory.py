"""What runs in a lab, as its API tells: its pods and nodes, and the network namespace of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import NODES, PODS, Client
from k8sshim.cluster import OUTSIDE as OUTSIDE_NETNS
from k8sshim.errors import BadInput, NotFound, PodwireError, some
from k8sshim.objects import Key, Node, Pod, Raw
from lab.state import Lab

OUTSIDE = "HOST"
SYSTEM_NAMESPACE = "kube-system"  # of podwire's own pods


@dataclass(frozen=True)
class Place:
    """A pod or a node of a lab, or its outside host, and the name of its network namespace in the sandbox."""

    name: str  # a pod's as namespace/name
    netns: str
    etc: str  # the name of the folder with its own hosts and resolv.conf: not the node's, for a hostNetwork pod


def pod_key(text: str) -> Key:
    """A pod as written on the command line: `namespace/name`, or a name in `default`."""
    namespace, slash, name = text.rpartition("/")
    return Key(namespace if slash else "default", name)


def netns_of(pod: Pod) -> str:
    """The network namespace that the pod lives in."""
    return f"node-{pod.node}" if pod.host_network else f"pod-{pod.uid}"


def pod_count(lab: Lab) -> int | None:
    """How many pods there are besides podwire's own; None where the API does not answer."""
    try:
        keys = [Key.of(raw) for raw in Client(lab.kubeconfig).list(PODS)[0]]
    except PodwireError:
        return None
    return sum(key.namespace != SYSTEM_NAMESPACE for key in keys)


def find_place(lab: Lab, text: str) -> Place:
    """The pod or node of that name, or the outside host (`HOST`).

    A bare name that both have is the node's: the pod can be called `default/name`. Raises NotFound, which says what
    there is, and BadInput for a pod that has no namespace (yet).
    """
    if text == OUTSIDE:
        return Place(text, OUTSIDE_NETNS, OUTSIDE_NETNS)
    client = Client(lab.kubeconfig)
    nodes = sorted(Node.parse(raw).name for raw in client.list(NODES)[0])
    if text in nodes:
        return Place(text, f"node-{text}", f"node-{text}")
    key = pod_key(text)
    raw = client.get(PODS, key)
    if raw is None:
        raise _unknown(lab, text, nodes, client.list(PODS)[0])
    pod = Pod.parse(raw)
    if not pod.ip or pod.finished:
        raise BadInput.of(f"pod {key} has no network namespace: it is {pod.phase}")
    return Place(str(key), netns_of(pod), f"pod-{pod.uid}")


def _unknown(lab: Lab, text: str, nodes: Iterable[str], pods: Iterable[Raw]) -> BadInput:
    names = sorted(_short(Key.of(raw)) for raw in pods)
    return NotFound.of(
        f'no pod or node "{text}" in lab "{lab.name}"; nodes: {some(nodes)}; outside: {OUTSIDE}; pods: {some(names)}'
    )


def _short(key: Key) -> str:
    return key.name if key.namespace == "default" else str(key)


def facts(lab: Lab) -> dict[str, str | int | None]:
    """A lab in a line: what `podwire ls` tells."""
    return {
        "name": lab.name,
        "pid": lab.pid,
        "state": lab.state,
        "nodes": len(lab.nodes),
        "pods": pod_count(lab),
        "kubeconfig": str(lab.kubeconfig),
    }
