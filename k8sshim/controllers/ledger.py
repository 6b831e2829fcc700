"""The scheduler's books: who waits, who runs where, and who has which address. Kept up from change to change.

They follow the world alone, so what a pass has only planned is not in them, and a write that failed needs no undoing.
The books are what makes a pass cost the pods that wait, not the pods that are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from k8sshim.controllers.world import Change
from k8sshim.ipam import LAST_ADDRESS_ANNOTATION, Range
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, Node, PodNetwork, Raw
from k8sshim.scheduling import HostPort, Load, group_of, host_ports, natural


@dataclass(frozen=True)
class Host:
    """A node with the addresses that it may give."""

    node: Node
    range: Range
    mark: int  # the offset up to which its ring may have been gone

    @classmethod
    def parse(cls, raw: Raw) -> Host:
        node = Node.parse(raw)
        try:
            addresses = Range.of(node.pod_cidrs)
        except ValueError:  # somebody wrote a podCIDR that is none: the node has no addresses
            addresses = Range.of(())
        annotation = (raw["metadata"].get("annotations") or {}).get(LAST_ADDRESS_ANNOTATION)
        return cls(node, addresses, addresses.offset_of_address(annotation or ""))


@dataclass(frozen=True)
class _Entry:
    """What the books say of one pod with a node."""

    key: Key
    node: str
    group: str
    ports: tuple[HostPort, ...]


class Ledger:
    """Pods and nodes as scheduling and address management need them."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.given: dict[str, int] = {}  # by node, the offset given out last since this process began
        self.load = Load()
        self.waiting: dict[Key, Raw] = {}  # want a node
        self.placed: dict[str, dict[str, Raw]] = defaultdict(dict)  # run or will run on a node: by node and UID
        self.unaddressed: dict[str, Raw] = {}  # placed, and without their address in the network, by UID
        self.opened = False
        self._entries: dict[str, _Entry] = {}
        self._owners: dict[str, dict[int, str]] = defaultdict(dict)  # of addresses: by node and offset, the UID
        self._grants: dict[str, tuple[str, int]] = {}  # node and offset, by UID

    def open(self) -> None:
        """From here on addresses are entered as they come: all that were given out before are known by now."""
        if not self.opened:
            self.opened = True
            for host in self.hosts.values():
                self._settle(host)

    def used(self, node: str) -> dict[int, str]:
        """The offsets of a node that are given out."""
        return self._owners.get(node, {})

    def grant(self, uid: str) -> PodNetwork | None:
        """A pod's place in the network, where it has been given one."""
        held = self._grants.get(uid)
        host = self.hosts.get(held[0]) if held else None
        return host.range.network(held[1]) if held and host else None

    def sorted_nodes(self) -> list[Node]:
        return sorted((host.node for host in self.hosts.values()), key=lambda node: natural(node.name))

    def node_changed(self, change: Change) -> bool:
        """Take in a change of a node; whether it matters here."""
        before = self.hosts.get(change.key.name)
        if change.new is None:
            self.hosts.pop(change.key.name, None)
            return True
        host = self.hosts[change.key.name] = Host.parse(change.new)
        if self.opened and (before is None or before.range != host.range):
            self.given.pop(host.node.name, None)
            self._settle(host)
        return before is None or (before.node, before.range) != (host.node, host.range)

    def pod_changed(self, change: Change) -> bool:
        """Take in a change of a pod; whether somebody left a node or an address."""
        old_uid = change.old["metadata"]["uid"] if change.old else ""
        ended = change.new is None or change.new["metadata"]["uid"] != old_uid or _finished(change.new)
        freed = bool(change.old) and ended and old_uid in self._entries
        if change.old and ended:
            self._remove(change.key, old_uid)
        if change.new is not None and not _finished(change.new):
            self._enter(change.key, change.new)
        return freed

    def _remove(self, key: Key, uid: str) -> None:
        self.waiting.pop(key, None)
        self.unaddressed.pop(uid, None)
        entry = self._entries.pop(uid, None)
        if entry:
            self.load.add(entry.group, entry.node, -1, entry.ports)
            self.placed[entry.node].pop(uid, None)
        held = self._grants.pop(uid, None)
        if held:
            self._owners[held[0]].pop(held[1], None)

    def _enter(self, key: Key, pod: Raw) -> None:
        uid, node = pod["metadata"]["uid"], (pod.get("spec") or {}).get("nodeName") or ""
        if not node:
            if pod["metadata"].get("deletionTimestamp"):
                self.waiting.pop(key, None)
            else:
                self.waiting[key] = pod
            return
        self.waiting.pop(key, None)
        if uid not in self._entries:
            entry = self._entries[uid] = _Entry(key, node, group_of(pod), host_ports(pod["spec"]))
            self.load.add(entry.group, node, ports=entry.ports)
        self.placed[node][uid] = pod
        if self.opened:
            self._address(pod)

    def _settle(self, host: Host) -> None:
        """A node came, or has other addresses than before: look anew at the pods on it, those of most right first."""
        name = host.node.name
        pods = sorted(self.placed[name].values(), key=_precedence)
        for uid in self._owners.pop(name, {}).values():
            self._grants.pop(uid, None)
        for pod in pods:
            self._address(pod)

    def _address(self, pod: Raw) -> None:
        """Enter a placed pod's address: the one it was given, else the one it claims, if that is nobody's."""
        uid, spec, metadata = pod["metadata"]["uid"], pod["spec"], pod["metadata"]
        self.unaddressed.pop(uid, None)
        if spec.get("hostNetwork"):
            return
        claim = PodNetwork.claimed((metadata.get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
        host = self.hosts.get(spec["nodeName"])
        if host is not None and uid not in self._grants:
            offset = host.range.offset_of(claim)
            if offset is not None and offset not in self._owners[host.node.name]:
                self._owners[host.node.name][offset] = uid
                self._grants[uid] = (host.node.name, offset)
        if (claim is None or claim != self.grant(uid)) and not metadata.get("deletionTimestamp"):
            self.unaddressed[uid] = pod


def _finished(pod: Raw) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _precedence(pod: Raw) -> tuple[bool, str, str]:
    """Two pods can claim one address only where somebody wrote an annotation by hand. The one whose node has given it
    that address has it, else the one made first."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    claim = PodNetwork.claimed((metadata.get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
    realised = claim is not None and status.get("podIP") in claim.addresses
    return not realised, metadata.get("creationTimestamp") or "", metadata["name"]
