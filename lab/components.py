"""The processes of a lab, as data: what runs, with which arguments, and where each finds its files in the sandbox."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run/podwire")
KUBECONFIG = RUN / "kubeconfig"
CLUSTER = RUN / "cluster.json"
BOOTSTRAP = RUN / "bootstrap.json"
OPENFLOW_SOCKET = RUN / "openflow.sock"
TOPOLOGY_READY = RUN / "topology-ready"
API_ADDRESS = "127.0.0.1:6443"  # inside the sandbox
API_SERVER = "api-server"


@dataclass(frozen=True)
class Component:
    """A process that the supervisor keeps alive."""

    name: str  # its log is log/NAME.log
    argv: tuple[str, ...]
    descriptors: tuple[int, ...] = ()  # open files that it inherits


def components(folder: Path, service_cidrs: tuple[str, ...], listen_fd: int) -> tuple[Component, ...]:
    """Every component of the lab in `folder`; `listen_fd` is the API's listening socket on the host.

    No container sees the folders of labs, its own or another: they hold what opens their APIs.
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
                *("--bootstrap", str(BOOTSTRAP)),
                *("--listen", API_ADDRESS),
                *("--listen-fd", str(listen_fd)),
            ),
            (listen_fd,),
        ),
        Component("controllers", _python("k8sshim.controllers", *kubeconfig)),
        Component("openflow", _python("controller.app", *kubeconfig, "--listen", str(OPENFLOW_SOCKET))),
        Component("agent", _python("topo.agent", *kubeconfig, "--cluster", str(CLUSTER), "--hide", str(folder.parent))),
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
