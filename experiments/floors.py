"""Floors: the least that links between two namespaces cost on this machine, measured beside the lab's own paths.

Each floor is two namespaces of the experiment's own in the lab's sandbox, with the MTU of the lab's pods: on one veth
pair, on a Linux bridge, and on a bridge with `actions=normal` of the ovs-vswitchd that carries node bridges too. They
are removed when the measuring ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from experiments.ends import Ends
from experiments.inside import Sandbox
from experiments.throughput import LINUX_BRIDGE, OVS_NORMAL, VETH
from experiments.traffic import SERVERS
from k8sshim.errors import PodwireError
from lab.waiting import wait_until

_GROUP = "0"  # the placement group whose ovs-vswitchd has the floor's bridge
_DATABASE = f"unix:/run/podwire/switchd/{_GROUP}/db.sock"
_OVS_BRIDGE = "floor-normal"
_END_S = 10.0
_NUMBER = {VETH: 1, LINUX_BRIDGE: 2, OVS_NORMAL: 3}  # of the floor's /30 in RFC 2544's benchmarking range


@dataclass(frozen=True)
class Floor:
    """The names of a floor's namespaces, links and addresses."""

    kind: str

    @property
    def client(self) -> str:
        return f"floor-{self.kind}-client"

    @property
    def server(self) -> str:
        return f"floor-{self.kind}-server"

    def link(self, end: str) -> str:
        """The bridge's side of an end's veth pair."""
        return f"fl{_NUMBER[self.kind]}-{end}"

    def address(self, host: int) -> str:
        return f"198.18.{_NUMBER[self.kind]}.{host}"

    @property
    def ends(self) -> Ends:
        return Ends(self.client, self.address(2))


@contextmanager
def floors(sandbox: Sandbox, kinds: Sequence[str], mtu: int) -> Iterator[dict[str, Ends]]:
    """Floors with servers in them, by kind, for as long as the context lasts."""
    with ExitStack() as undo:
        switchd = _switchd_namespace(sandbox)
        for kind in kinds:
            _build(sandbox, Floor(kind), mtu, switchd, undo)
        yield {kind: Floor(kind).ends for kind in kinds}


def _build(sandbox: Sandbox, floor: Floor, mtu: int, switchd: str | None, undo: ExitStack) -> None:
    for name in (floor.client, floor.server):
        sandbox.must(["ip", "netns", "add", name])
        undo.callback(_remove, sandbox, name)
    if floor.kind == VETH:
        _batch(sandbox, [f"link add eth0 netns {floor.client} type veth peer name eth0 netns {floor.server}"])
    elif floor.kind == LINUX_BRIDGE:
        _linux_bridge(sandbox, floor, mtu, undo)
    else:
        _ovs_bridge(sandbox, floor, mtu, switchd, undo)
    for host, name in ((1, floor.client), (2, floor.server)):
        lines = [f"addr add {floor.address(host)}/30 dev eth0", f"link set eth0 mtu {mtu} up", "link set lo up"]
        _batch(sandbox, lines, netns=name)
    for argv in SERVERS:
        server = sandbox.start(argv, netns=floor.server)
        undo.callback(_reap, sandbox, floor.server, server)


def _linux_bridge(sandbox: Sandbox, floor: Floor, mtu: int, undo: ExitStack) -> None:
    """The bridge has a namespace of its own, and goes with it."""
    middle = f"floor-{floor.kind}"
    sandbox.must(["ip", "netns", "add", middle])
    undo.callback(_remove, sandbox, middle)
    lines = [f"link add br0 mtu {mtu} type bridge", "link set br0 up"]
    for end, name in (("a", floor.client), ("b", floor.server)):
        lines += [*_pair(floor.link(end), name, mtu), f"link set {floor.link(end)} master br0"]
    _batch(sandbox, lines, netns=middle)


def _ovs_bridge(sandbox: Sandbox, floor: Floor, mtu: int, switchd: str | None, undo: ExitStack) -> None:
    """A bridge without a controller beside the node bridges: it has one flow, actions=normal."""
    ends = (("a", floor.client), ("b", floor.server))
    _batch(sandbox, [line for end, name in ends for line in _pair(floor.link(end), name, mtu)], netns=switchd)
    undo.callback(sandbox.run, _vsctl("--if-exists", "del-br", _OVS_BRIDGE))
    add = ["--", "add-br", _OVS_BRIDGE, "--", "set", "bridge", _OVS_BRIDGE, "fail-mode=standalone"]
    add += [f"datapath_type={datapath_type(sandbox)}"]
    ports = [word for end, _ in ends for word in ("--", "add-port", _OVS_BRIDGE, floor.link(end))]
    sandbox.must(_vsctl(*add[1:], *ports))


def datapath_type(sandbox: Sandbox) -> str:
    """`datapath_type` of the node bridges: netdev or system."""
    listed = sandbox.must(_vsctl("--bare", "--columns=datapath_type", "list", "bridge")).split()
    return listed[0] if listed else "system"


def _switchd_namespace(sandbox: Sandbox) -> str | None:
    """Where group 0's ovs-vswitchd runs; None: in the sandbox's first namespace, as in the shared placement."""
    name = f"switchd-{_GROUP}"
    return name if sandbox.run(["test", "-e", f"/run/netns/{name}"]).code == 0 else None


def _vsctl(*arguments: str) -> list[str]:
    return ["ovs-vsctl", f"--db={_DATABASE}", *arguments]


def _pair(outer: str, netns: str, mtu: int) -> list[str]:
    return [f"link add eth0 netns {netns} type veth peer name {outer}", f"link set {outer} mtu {mtu} up"]


def _batch(sandbox: Sandbox, lines: Sequence[str], *, netns: str | None = None) -> None:
    """Commands for `ip`, in one run of it."""
    sandbox.must(["ip", "-batch", "-"], netns=netns, stdin="\n".join(lines) + "\n")


def _remove(sandbox: Sandbox, netns: str) -> None:
    sandbox.run(["ip", "netns", "delete", netns])


def _reap(sandbox: Sandbox, netns: str, server: subprocess.Popen[bytes]) -> None:
    """End a server, also one that is on its way into its namespace still."""

    def ended() -> bool:
        sandbox.end_all(netns)
        return server.poll() is not None

    if not wait_until(ended, _END_S):
        raise PodwireError(f"a server of {netns} does not end")
