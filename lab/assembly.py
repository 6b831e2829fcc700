"""Puts a lab together in its sandbox, and keeps it so: builds the topology, starts the components, restarts what dies.

Components start while the topology is built. They find what they need in `/run/podwire`, and wait for one another
through the API alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import yaml

from k8sshim.errors import PodwireError
from lab import system_pods
from lab.components import BOOTSTRAP, CLUSTER, KUBECONFIG, RUN, STOPPED, TOPOLOGY_READY, Component, components
from lab.control_plane import listening_sockets
from lab.events import ENDED, FAILED, TOPOLOGY, Event, tell
from lab.keeper import Keeper
from topo import ovs, plan, spec
from topo.vsctl import DAEMONS

if TYPE_CHECKING:
    from topo.mininet_backend import Topology

LOG = logging.getLogger("supervisor")
INNER_KUBECONFIG = "pki/components.kubeconfig"  # in the lab's folder: the API as it is reached inside the sandbox
_LOOK_AFTER_S = 0.2


@dataclass(frozen=True)
class Orders:
    """What `podwire up` hands to the supervisor."""

    folder: Path
    listen_fd: int  # the API's listening socket on the host
    events_fd: int  # the writing end of the pipe to `podwire up`


def assemble(orders: Orders) -> NoReturn:
    """Bring the lab up, and keep it so until this process ends."""
    planned = _prepare(orders.folder)
    cluster = planned.cluster()
    sockets = listening_sockets(cluster)
    listen_fds = (orders.listen_fd, *(one.fileno() for one in sockets))
    rbac = planned.spec.api_server.rbac
    for component in components(orders.folder, cluster.service_cidrs, cluster.node_ports, listen_fds, rbac=rbac):
        Keeper(component, orders.folder / "log", lambda one, code: _ended(orders, one, code)).start()
    topology = _build(planned, orders)
    while True:
        threading.Event().wait(_LOOK_AFTER_S)
        _look_after(topology)


def describe(code: int) -> str:
    """An exit code in words; negative ones are signals."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _prepare(folder: Path) -> plan.Plan:
    """Plan the cluster, and write what the components read."""
    described = spec.parse(yaml.safe_load((folder / "cluster.yaml").read_text()))
    planned = plan.plan(replace(described, datapath=ovs.datapath_of(described.datapath)))
    cluster = planned.raw()
    RUN.mkdir()
    CLUSTER.write_text(json.dumps(cluster))
    own = system_pods.objects(planned.cluster(), dns_replicas=planned.spec.dns.replicas)
    BOOTSTRAP.write_text(json.dumps([cluster, *own]))
    shutil.copy(folder / INNER_KUBECONFIG, KUBECONFIG)
    return planned


def _ended(orders: Orders, component: Component, code: int) -> None:
    LOG.warning("%s ended (%s) and is started again", component.name, describe(code))
    tell(orders.events_fd, Event(ENDED, component.name, describe(code)))


def _build(planned: plan.Plan, orders: Orders) -> Topology:
    try:
        from topo import mininet_backend  # noqa: PLC0415 - takes its time, in which the components start

        topology = mininet_backend.build(planned, RUN, orders.folder / "log")
    except Exception as error:  # whatever it is, `podwire up` has to hear of it
        LOG.exception("the topology cannot be built")
        tell(orders.events_fd, Event(FAILED, "supervisor", f"the topology cannot be built: {error}"))
        raise
    TOPOLOGY_READY.touch()
    LOG.info("the topology is built")
    tell(orders.events_fd, Event(TOPOLOGY))
    return topology


def _look_after(topology: Topology) -> None:
    """Have daemons of Open vSwitch that died started again."""
    problems = [] if _stopped() else topology.alive()
    for problem in problems:
        LOG.warning("%s", problem)
    try:
        if problems:
            topology.restart()
            LOG.info("Open vSwitch is started again")
    except (PodwireError, OSError):
        LOG.exception("Open vSwitch cannot be started again; another attempt follows")


def _stopped() -> bool:
    """Whether a fault keeps a daemon of Open vSwitch from running."""
    return any((STOPPED / name).exists() for name in DAEMONS)


def _parse(arguments: list[str]) -> Orders:
    parser = argparse.ArgumentParser(prog="python -m lab.supervisor", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--listen-fd", type=int, required=True, help="the API's listening socket on the host")
    parser.add_argument("--events-fd", type=int, required=True, help="where events are told to podwire up")
    parser.add_argument("--lock-fd", type=int, required=True, help="the lab lives as long as this is open")
    options = parser.parse_args(arguments)
    for descriptor in (options.listen_fd, options.events_fd, options.lock_fd):
        os.set_inheritable(descriptor, False)  # each component is given what it needs, and Mininet's shells nothing
    os.set_blocking(options.events_fd, False)  # nobody need be listening
    return Orders(options.folder, options.listen_fd, options.events_fd)


def main(arguments: list[str]) -> NoReturn:
    """Assemble the lab; see `_parse` for the arguments."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    assemble(_parse(arguments))
