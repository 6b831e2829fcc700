"""Asks the lab's Open vSwitch for the way of a packet, from one process of it to the next."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import yaml

from controller.links import Links
from controller.marks import CONTENT_BITS, OBJECT_BITS, Feature
from k8sshim.client import Client
from k8sshim.cluster import Cluster, Link, Switch, SwitchPort
from k8sshim.errors import PodwireError
from lab.sandbox import enter_argv
from lab.state import Lab
from topo import plan, spec

from . import counters, policy_counters, port_states, transcript
from .counters import Counts
from .network import Network
from .packet import Packet
from .policy_counters import PolicyCounts
from .transcript import Visit

AT_ONCE = 4  # switches that are asked
MAX_PROCESSES = 64  # a packet that crosses more goes in circles
_FEATURE = OBJECT_BITS + CONTENT_BITS  # where it stands in a cookie
What = TypeVar("What")
_READ_PORTS = """
set -e
read_all() {
  ovs-appctl -t "$1/ovs-vswitchd.ctl" revalidator/wait
  for bridge in "$1"/*.mgmt; do
    bridge="${bridge##*/}"
    date "+at %s.%N%nswitch ${bridge%.mgmt}"
    ovs-ofctl -OOpenFlow14 dump-ports "unix:$1/$bridge"
  done
}
readings=$(mktemp -d)
trap 'rm -r "$readings"' EXIT
running=
for folder; do
  read_all "$folder" > "$readings/${folder##*/}" &
  running="$running $!"
done
for one in $running; do wait "$one"; done
cat "$readings"/*
"""
_READ_STATES = """
set -e
for folder; do
  for bridge in "$folder"/*.mgmt; do
    name="${bridge##*/}"
    echo "switch ${name%.mgmt}"
    ovs-ofctl -OOpenFlow14 dump-ports-desc "unix:$bridge"
  done
done
"""


@dataclass(frozen=True)
class Switches:
    """The Open vSwitch processes of a lab."""

    lab: Lab
    groups: dict[str, str]  # switch -> placement group

    @classmethod
    def of(cls, lab: Lab) -> Switches:
        planned = plan.plan(spec.parse(yaml.safe_load((lab.folder / "cluster.yaml").read_text())))
        return cls(lab, {name: group.name for name, group in planned.group_of.items()})

    def trace(self, switch: str, flow: str) -> str:
        """What `ofproto/trace` prints of a packet. Raises PodwireError."""
        return self._run("ovs-appctl", "-t", f"{self._folder(switch)}/ovs-vswitchd.ctl", "ofproto/trace", switch, flow)

    def flows(self, switch: str, table: int) -> str:
        """What `ovs-ofctl dump-flows` prints of a stage. Raises PodwireError."""
        bridge = f"unix:{self._folder(switch)}/{switch}.mgmt"
        return self._run("ovs-ofctl", "-OOpenFlow14", "dump-flows", bridge, f"table={table}")

    def flows_of(self, switch: str, feature: Feature) -> str:
        """What `ovs-ofctl dump-flows` prints of a feature's flows, whichever stage they are in. Raises PodwireError."""
        bridge = f"unix:{self._folder(switch)}/{switch}.mgmt"
        cookies = f"cookie={feature << _FEATURE:#x}/{0xFF << _FEATURE:#x}"
        return self._run("ovs-ofctl", "-OOpenFlow14", "dump-flows", bridge, cookies)

    def ports(self) -> str:
        """The counters of every switch's ports, as `link_use.parse` reads them. Raises PodwireError.

        They are read at once, each Open vSwitch's right after it has counted what its datapath's flows carried.
        """
        folders = sorted({self._folder(switch) for switch in self.groups})
        return self._run("sh", "-c", _READ_PORTS, "sh", *folders)

    def port_states(self) -> str:
        """Every switch's ports, as `port_states.parse` reads them. Raises PodwireError."""
        return self._run("sh", "-c", _READ_STATES, "sh", *sorted({self._folder(switch) for switch in self.groups}))

    def _folder(self, switch: str) -> str:
        return f"/run/podwire/switchd/{self.groups[switch]}"

    def _run(self, *argv: str) -> str:
        done = subprocess.run(enter_argv(self.lab.pid, argv), capture_output=True, text=True, check=False)
        if done.returncode:
            raise PodwireError(f"{argv[0]}: {' '.join(done.stderr.split())}")
        return done.stdout


def links_down(cluster: Cluster, live: Mapping[str, Mapping[int, bool]]) -> frozenset[Link]:
    """The links that the controller leads round, by whether each switch's ports are alive."""
    known = Links()
    for switch in cluster.switches:
        known.ports(switch.dpid, live.get(switch.name, {}))
    return known.down(cluster, lambda dpid: True)


def connect(lab: Lab) -> tuple[Network, Switches]:
    """A lab's network as it should be, and its switches."""
    network, switches = Network.of(Client(lab.kubeconfig)), Switches.of(lab)
    network.links_down = lambda: links_down(network.cluster, port_states.parse(switches.port_states()))
    return network, switches


def trace(network: Network, switches: Switches, packet: Packet) -> list[Visit]:
    """Every flow that the packet meets, on every switch, until it is delivered, dropped or handed to the controller."""
    switch, flow = packet.sender.switch, packet.flow()
    found: list[Visit] = []
    for _ in range(MAX_PROCESSES):
        found += transcript.visits(switches.trace(switch, flow), switch)
        onward = _onward(network, found)
        if onward is None:
            return found
        switch, flow = onward
    raise PodwireError("the packet goes in circles")


def count(network: Network, switches: Switches) -> Counts:
    """What the flows of all node bridges have counted of Services."""
    counts = Counts()
    for switch, dump in _dumps(network, switches.flows, [table.number for table in counters.TABLES]):
        counts.add(network, switch, dump)
    return counts


def count_policies(network: Network, switches: Switches) -> PolicyCounts:
    """What the flows of all node bridges have counted of policies."""
    counts = PolicyCounts()
    for switch, dump in _dumps(network, switches.flows_of, policy_counters.FEATURES):
        counts.add(network, switch, dump)
    return counts


def _dumps(network: Network, dump: Callable[[str, What], str], parts: Iterable[What]) -> Iterator[tuple[str, str]]:
    """Each node bridge with what it prints, part by part; several are asked at once."""
    asked = [(one.name, part) for part in parts for one in network.cluster.switches if one.node]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip((switch for switch, _ in asked), pool.map(lambda one: dump(*one), asked), strict=True)


def _tunnelled(other: Switch, sent: transcript.Packet) -> transcript.Packet:
    """A packet as the overlay hands it to a bridge: where there are hops, those at its two ends have routed it."""
    if not other.overlay_mac:
        return sent
    ttl = int(sent.get("nw_ttl", "0")) - 2
    return {**sent, "dl_src": other.overlay_mac, "dl_dst": other.mac, "nw_ttl": str(ttl)}


def _onward(network: Network, visits: list[Visit]) -> tuple[str, str] | None:
    """The switch that a packet comes to next, and the packet as it comes there; None where its way ends.

    Links within one process are followed by Open vSwitch itself: what is left over is a way out of that process.
    """
    last = visits[-1] if visits else None
    if last is None or last.output is None:
        return None
    sent = transcript.after(last)
    end = network.beyond(last.switch, last.output)
    if other := network.beyond_overlay(last.switch, last.output, sent.get("nw_dst", "0.0.0.0")):
        end, sent = SwitchPort(other.name, other.overlay_port), _tunnelled(other, sent)
    if end is None:
        return None
    kept = ("nw_src", "nw_dst", "nw_ttl", "icmp_type", "icmp_code", "tcp_flags", "dp_hash")
    protocol = next(name for name in ("tcp", "udp", "sctp", "icmp") if name in sent)
    macs = [f"dl_src={sent['dl_src']}", f"dl_dst={sent['dl_dst']}"]
    rest = [f"{name}={sent[name]}" for name in kept if name in sent]
    rest += [f"{protocol}_{end}={sent[f'tp_{end}']}" for end in ("src", "dst") if f"tp_{end}" in sent]
    return end.switch, ",".join([f"in_port={end.port}", protocol, *macs, *rest])
