"""The processes of a lab, as data: what runs, with which arguments, and where each finds its files in the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import interpreter

RUN = Path("/run/podwire")
KUBECONFIG = RUN / "kubeconfig"
CLUSTER = RUN / "cluster.json"
BOOTSTRAP = RUN / "bootstrap.json"
OPENFLOW_SOCKET = RUN / "openflow.sock"
TOPOLOGY_READY = RUN / "topology-ready"
PIDS = RUN / "pids"  # of the components that run, a file each
STOPPED = RUN / "stopped"  # what is not to be started again for now, a file each
DEAD_NODES = RUN / "dead-nodes"  # those whose agent is not to act, a file each
NODE_POWER = RUN / "node-power.sock"  # where the agent is told to look there; it hangs up when it has
API_ADDRESS = "127.0.0.1:6443"  # inside the sandbox
API_SERVER = "api-server"
COMPONENTS = (API_SERVER, "controllers", "openflow", "agent", "outside-host", "outside-dns")


@dataclass(frozen=True)
class Component:
    """A process that the supervisor keeps alive."""

    name: str  # its log is log/NAME.log
    argv: tuple[str, ...]
    descriptors: tuple[int, ...] = ()  # open files that it inherits


def components(
    folder: Path,
    service_cidrs: tuple[str, ...],
    node_ports: tuple[int, int],
    listen_fds: Sequence[int],
    *,
    rbac: bool = False,
) -> tuple[Component, ...]:
    """Every component of the lab in `folder`; `listen_fds` are the API's listening sockets elsewhere.

    No container sees the folders of labs, its own or another: they hold what opens their APIs. Every container sees the
    interpreter and the package that the pods of podwire's own run.
    """
    cidrs = [word for cidr in service_cidrs for word in ("--service-cidr", cidr)]
    kubeconfig = ("--kubeconfig", str(KUBECONFIG))
    return (
        Component(
            API_SERVER,
            _python(
                "k8sshim.server",
                *("--store", str(folder / "store.sqlite")),
                *("--pki", str(folder / "pki")),
                *cidrs,
                *("--node-ports", "-".join(map(str, node_ports))),
                *("--bootstrap", str(BOOTSTRAP)),
                *(("--rbac",) if rbac else ()),
                *("--listen", API_ADDRESS),
                *(word for descriptor in listen_fds for word in ("--listen-fd", str(descriptor))),
            ),
            tuple(listen_fds),
        ),
        Component("controllers", _python("k8sshim.controllers", *kubeconfig)),
        Component(
            "openflow",
            _python(
                "controller.app",
                *kubeconfig,
                *("--listen", str(OPENFLOW_SOCKET)),
                *("--switches", str(RUN / "switchd")),
                *("--denials", str(denials(folder))),
            ),
        ),
        Component(
            "agent",
            _python(
                "topo.agent", *kubeconfig, *("--cluster", str(CLUSTER)), *("--hide", str(folder.parent)), *_shown()
            ),
        ),
        Component("outside-host", _python("lab.outside_host")),
        Component("outside-dns", _python("lab.outside_dns")),
    )


def denials(folder: Path) -> Path:
    """Where a lab's denied connections are told, a line of JSON each."""
    return folder / "log" / "denied.jsonl"


def _shown() -> tuple[str, ...]:
    return tuple(word for folder in interpreter.folders() for word in ("--show", folder))


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
