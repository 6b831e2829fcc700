"""The lab's hardware: nodes and switches as Mininet's hosts and switches, in the namespaces and groups of the plan.

Mininet names, starts and shapes; what it would do one process at a time (a veth pair, an address, an `ovs-vsctl` for
each) is done for all at once by `netns` and `ovs`, and Mininet's objects describe the result. Mininet's own set-up and
clean-up act on the whole machine and are never called: what is made here dies with the sandbox.
"""

from __future__ import annotations

import logging
import resource
import shlex
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mininet.link import Intf, Link, OVSIntf
from mininet.log import lg
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch

from k8sshim.cluster import conntrack_zones
from k8sshim.errors import PodwireError

from . import bfd, netns, overlays, ovs
from .bridges import OpenVSwitchBridges, refusals, socket_of
from .conntrack import ANY_SEQUENCE_NUMBER, closed_connections
from .fabric import FabricLink
from .placement import Group
from .plan import Plan, PlannedHost, PlannedNode, PlannedSwitch
from .ports import BridgePort, PartlyDone
from .shaping import ShapedEnd, shape
from .vsctl import version

# ovs-vswitchd connects to sockets in its own folder alone, so each group has a link to the controller's there.
CONTROLLER_SOCKET = "openflow.sock"
PROTOCOLS = "OpenFlow13,OpenFlow14,OpenFlow15"
MAX_BACKOFF_MS = 1000  # between attempts to reach the controller
INACTIVITY_PROBE_MS = 10_000  # a busy controller is not a dead one
PROGRAMS = ("mnexec", "ifconfig", "ovs-vsctl", "ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "nsenter")
AT_ONCE = 4  # groups that start
SWITCHES_A_TRANSACTION = 100
End = tuple[str, int, str]  # of a link: node or switch, port number, interface


class MadeLink(Link):
    """A link between interfaces that exist already, or that Open vSwitch makes (patch ports)."""

    @classmethod
    def makeIntfPair(cls, *_args: Any, **_kwargs: Any) -> None:  # noqa: N802 (Mininet's name)
        """Nothing: see `netns.connect_pairs`."""


class GroupSwitch(OVSSwitch):
    """A bridge of a group's Open vSwitch. Its shell, in the group's namespace, starts with its first command."""

    def __init__(self, name: str, switchd: ovs.Switchd, controller: str, mac: str, **params: Any) -> None:
        self.switchd, self.target, self.hwaddr = switchd, controller, mac
        # Inside a namespace, says Mininet, a switch has no loopback interface of its own for it to configure.
        options = {"inNamespace": True, "failMode": "secure", "protocols": PROTOCOLS, "batch": True}
        super().__init__(name, **(params | options))
        self.inNamespace, self.controlIntf = False, None

    @classmethod
    def setup(cls) -> None:
        """Mininet looks for the host's Open vSwitch here; a group's has been started by now."""
        cls.OVSVersion = version()

    def startShell(self, mnopts: str | None = None) -> None:  # noqa: N802 (Mininet's name)
        self.pid = self.switchd.pid

    def cmd(self, *args: Any, **kwargs: Any) -> Any:
        if not self.shell:
            super().startShell(f"-cda{self.switchd.pid}")
        return super().cmd(*args, **kwargs)

    def vsctl(self, *args: Any, **kwargs: Any) -> Any:
        """Runs a command on the group's database; before the bridge is there, keeps it for `commands`."""
        return super().vsctl(*args, **kwargs) if self.batch else self.switchd.vsctl(*_words(args))

    def bridgeOpts(self) -> str:  # noqa: N802 (Mininet's name)
        return f"{super().bridgeOpts()} {_quoted('other-config:hwaddr', self.hwaddr)}"

    def start(self, controllers: Sequence[Any]) -> None:
        """Queues the bridge with its ports and the controller that it keeps trying to reach."""
        super().start(controllers)
        timers = f"max_backoff={MAX_BACKOFF_MS} inactivity_probe={INACTIVITY_PROBE_MS}"
        create = f"-- --id=@{self} create Controller {_quoted('target', self.target)} {timers}"
        self.vsctl(f"{create} -- set Bridge {self} controller=@{self}")
        shaped = [port for port in self.intfList() if isinstance(port, ShapedEnd)]
        if shaped:  # or Open vSwitch would take away what Mininet has put there
            self.vsctl(f"-- --id=@{self}_qos create QoS type=linux-noop")
            self.vsctl(*(f"-- set Port {port} qos=@{self}_qos" for port in shaped))


@dataclass
class Topology:
    """What has been built."""

    plan: Plan
    groups: dict[str, ovs.Switchd]  # group name -> its Open vSwitch
    net: Mininet

    def alive(self) -> list[str]:
        """What is wrong, one line each; nothing while every node and Open vSwitch lives."""
        dead = [f"host {host.name} ended" for host in self.net.hosts if host.shell.poll() is not None]
        return [*dead, *(problem for switchd in self.groups.values() for problem in switchd.alive())]

    def restart(self) -> None:
        """Starts the Open vSwitch daemons that have died; bridges and ports come back, and the controller's flows."""
        for switchd in self.groups.values():
            if switchd.alive():
                switchd.restart()

    def stop(self) -> None:
        """Takes away all of it and nothing else. A lab needs no such thing: it dies with its sandbox."""
        for node in (*self.net.hosts, *self.net.switches):
            node.terminate()
        for switchd in self.groups.values():
            switchd.stop()
        namespaces = netns.LinuxNamespaces()
        namespaces.disconnect([self.plan.link_of(one) for one in self.plan.attached])
        namespaces.delete([one.namespace for one in self.plan.attached])
        namespaces.delete([node.hop for node in self.plan.nodes if self.plan.has_hops])
        namespaces.delete([group.namespace for group in self.plan.groups if group.namespace])


def build(plan: Plan, run: Path, log: Path) -> Topology:
    """Builds what is planned, in the sandbox that the caller lives in; sockets and databases go below `run`.

    Returns when every bridge forwards by the port numbers of the plan. Raises PodwireError.
    """
    _prepare(log)
    namespaces = netns.LinuxNamespaces()
    namespaces.create([group.namespace for group in plan.groups if group.namespace])
    net = Mininet(topo=None, build=False, controller=None, link=MadeLink)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        starting = pool.map(lambda group: _start(group, plan, run, log), plan.groups)
        for node in plan.nodes:
            _add_node(net, node)
        namespaces.create([host.namespace for host in plan.hosts])  # the control plane's may be in use already
        for host in plan.hosts:
            _add_host(net, host)
        namespaces.connect([plan.link_of(one) for one in plan.attached])
        netns.connect_pairs([_pair(plan, link) for link in plan.links if not plan.is_patch(link)])
        groups = dict(starting)
        for switch in plan.switches.values():
            _add_switch(net, switch, groups[switch.group])
        _add_links(net, plan)
        overlays.build(plan, userspace=any(one.datapath_type == "netdev" for one in groups.values()))
        list(pool.map(lambda group: _start_bridges(plan, group, groups[group.name], net), plan.groups))
    if plan.overlay:
        OpenVSwitchBridges.of(plan, run).add_ports([node.overlay_port for node in plan.nodes])
    return Topology(plan, groups, net)


def _prepare(log: Path) -> None:
    """Checks that the programs are here, keeps Mininet's messages in a file, and makes room for many open files."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise PodwireError(f"not installed: {', '.join(missing)}; see podwire doctor")
    log.mkdir(parents=True, exist_ok=True)
    lg.handlers = [logging.FileHandler(log / "mininet.log", delay=True)]
    Mininet.inited = True  # what it would do first is to write sysctls of the whole machine
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a socket a port; Open vSwitch inherits it
    netns.set_sysctls(None, netns.SYSCTLS)


def _pair(plan: Plan, link: FabricLink) -> netns.BarePair:
    a, b = (netns.BareEnd(plan.group_of[end.switch].namespace, end.interface) for end in (link.a, link.b))
    return netns.BarePair(a, b, plan.mtu_of(link), plan.spec.offload)


def _start(group: Group, plan: Plan, run: Path, log: Path) -> tuple[str, ovs.Switchd]:
    threads = 1 if len(plan.groups) > 1 else 0
    folder = socket_of(run, group.name).parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONTROLLER_SOCKET).symlink_to(run / CONTROLLER_SOCKET)
    switchd = ovs.Switchd.start(
        folder, group.namespace, plan.spec.datapath, log=log, threads=threads, offload=plan.spec.offload
    )
    return group.name, switchd


def _add_host(net: Mininet, host: PlannedHost) -> None:
    """In its namespace, which is there: Mininet's shell for it is started from within."""
    with netns.inside(host.namespace):
        net.addHost(host.host, cls=Host, ip=None, inNamespace=False)


def _add_node(net: Mininet, node: PlannedNode) -> None:
    host = net.addHost(node.host, cls=Host, ip=None)
    netns.attach(node.namespace, host.pid)
    netns.set_sysctls(node.namespace, netns.SYSCTLS)
    netns.set_loopback_up(node.namespace)


def _add_switch(net: Mininet, switch: PlannedSwitch, switchd: ovs.Switchd) -> None:
    net.addSwitch(
        switch.name,
        cls=GroupSwitch,
        switchd=switchd,
        controller=f"unix:{switchd.directory / CONTROLLER_SOCKET}",
        mac=switch.mac,
        dpid=f"{switch.dpid:016x}",
        datapath="user" if switchd.datapath_type == "netdev" else "kernel",
    )


def _add_links(net: Mininet, plan: Plan) -> None:
    """Mininet's view of the links."""
    for one in plan.attached:
        link = _add_link(net, (one.host, 0, "eth0"), (one.port.bridge, one.port.number, one.port.interface), Intf)
        link.intf1.ip, link.intf1.prefixLen = str(one.addresses[0]), str(one.networks[0].prefixlen)
        link.intf1.mac = one.mac
    for link in plan.links:
        a, b = ((end.switch, end.port, end.interface) for end in (link.a, link.b))
        made = _add_link(net, a, b, OVSIntf if plan.is_patch(link) else ShapedEnd if link.like.shaped else Intf)
        for end in (made.intf1, made.intf2) if link.like.shaped else ():
            shape(end, link.like, offload=plan.spec.offload)


def _add_link(net: Mininet, one: End, other: End, interface: type[Intf]) -> Any:
    return net.addLink(
        one[0],
        other[0],
        port1=one[1],
        port2=other[1],
        intfName1=one[2],
        intfName2=other[2],
        cls1=interface,
        cls2=interface,
        up=None,  # they are up: Mininet need not run ifconfig
    )


def _start_bridges(plan: Plan, group: Group, switchd: ovs.Switchd, net: Mininet) -> None:
    """Makes a group's bridges with their ports and controllers, many in one transaction."""
    for start in range(0, len(group.switches), SWITCHES_A_TRANSACTION):
        batch = [net[name] for name in group.switches[start : start + SWITCHES_A_TRANSACTION]]
        for switch in batch:
            switch.start([])
        switchd.vsctl(*_words(command for switch in batch for command in switch.commands))
        for switch in batch:
            switch.commands, switch.batch = [], False
    if switchd.datapath_type == "netdev":
        switchd.control(*ANY_SEQUENCE_NUMBER)
        bridges = [node.bridge for node in plan.nodes if node.bridge.name in group.switches]
        if bridges:  # a group may have fabric switches alone
            switchd.vsctl(*closed_connections(zone for bridge in bridges for zone in conntrack_zones(bridge.dpid)))
    if words := bfd.settings(plan, group.switches):
        switchd.vsctl(*words)
    _check(plan, group, switchd)


def _check(plan: Plan, group: Group, switchd: ovs.Switchd) -> None:
    """Every port has the number of the plan. Raises PartlyDone."""
    expected = [one.port for one in plan.attached if one.port.bridge in group.switches]
    ends = [end for link in plan.links for end in (link.a, link.b) if end.switch in group.switches]
    expected += [BridgePort(end.switch, end.interface, end.port) for end in ends]
    failed = refusals(switchd.socket, expected)
    if failed:
        raise PartlyDone("ports", failed)


def _quoted(column: str, value: str) -> str:
    """An assignment of a value with punctuation, for ovs-vsctl through Mininet's words for a shell."""
    return shlex.quote(f'{column}="{value}"')


def _words(parts: Iterable[Any]) -> list[str]:
    """Mininet's command, made for a shell, as arguments."""
    return shlex.split(" ".join(str(part) for part in parts))
