"""What every switch shall hold, kept by object: an event works out that object's flows again, and those alone.

Pure: views of objects go in, changes for switches come out. The dependencies between objects are few, and are followed
here: a pod's flows depend on its node, a Service's on its slices, and all on the cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

from k8sshim.cluster import Cluster, Link, Switch
from k8sshim.objects import EndpointSlice, Key, Node, Pod, Service
from k8sshim.policies import Namespace, Policy

from . import external, features, intents, services, stale
from .claims import Claims, Unit, claims_of
from .diff import NOTHING, Change, Rules, between
from .intents import Intent
from .numbers import Numbers
from .policed import PolicyFlows
from .policy.engine import Policies
from .services import EVERY_NODE, Home
from .topology import Topology

View = Cluster | Node | Pod | Service | EndpointSlice | Namespace | Policy
DEFAULT_WEIGHT = 1
Changes = dict[int, Change]  # by datapath id, or EVERY_NODE


class Desired:
    """The state of the network as it shall be."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self._topology: Topology | None = None
        self._whole: Topology | None = None  # with all links up
        self._down: frozenset[Link] = frozenset()
        self._views: dict[str, dict[Key, View]] = defaultdict(dict)
        self._pods_of: dict[str, set[Key]] = defaultdict(set)
        self._pods_at: dict[str, set[Key]] = defaultdict(set)  # by address, finished ones among them
        self._slices_of: dict[Key, set[Key]] = defaultdict(set)
        self._slices_with: dict[Key, set[Key]] = defaultdict(set)  # by the pods that are their endpoints
        self._by_node: set[Key] = set()  # Services whose endpoints may be others on other nodes
        self._announce: dict[str, set[Key]] = defaultdict(set)  # Services by their external addresses
        self._numbers = Numbers()
        self._claims = Claims()
        self._policed = PolicyFlows(self._numbers.of)
        self._intents: dict[Unit, tuple[Intent, ...]] = {}
        self._rules: dict[Unit, dict[int, Rules]] = {}

    def put(self, kind: str, key: Key, view: View | None) -> Changes:
        """An object is now like this, or gone (None). What has to change where; nothing where the view is the same."""
        before = self._views[kind].get(key)
        if view == before:
            return {}
        if view is None:
            del self._views[kind][key]
        else:
            self._views[kind][key] = view
        changes: Changes = {}
        for unit in self._concerned(kind, key, before, view):
            self._work_out(unit, changes)
        for dpid, change in self._judged(kind, key, before, view):
            changes.setdefault(dpid, Change()).add(change)
        return changes

    def lose(self, down: frozenset[Link]) -> Changes:
        """These links are down now, and no others. What has to change where, for the ways that are left."""
        if down == self._down or self.cluster is None or self._topology is None:
            self._down = down
            return {}
        before, self._down = self._topology, down
        self._topology = Topology(self.cluster, down, self._whole) if down else self._whole
        changes: Changes = {}
        for unit in self._rerouted(before, self._topology) if self._topology else ():
            self._work_out(unit, changes)
        return changes

    def _rerouted(self, before: Topology, after: Topology) -> list[Unit]:
        """The cluster, the nodes that other ways lead to now, and the Services that are reached from outside."""
        nodes = (switch.node for switch in after.cluster.switches if switch.node)
        moved = [name for name in nodes if before.to_node(name) != after.to_node(name)]
        announced = sorted({key for keys in self._announce.values() for key in keys})
        kinds: list[Unit] = [("Cluster", key) for key in sorted(self._views["Cluster"])]
        return [*kinds, *(("Node", Key("", name)) for name in moved), *(("Service", key) for key in announced)]

    def wanted(self, dpid: int) -> Rules:
        """All that one switch shall hold."""
        switch = self.switch(dpid)
        places = (dpid, EVERY_NODE) if switch and switch.node else (dpid,)
        parts = [by_place.get(place, NOTHING) for by_place in self._rules.values() for place in places]
        flows = {number: flow for part in parts for number, flow in part.flows.items()}
        flows |= self._policed.of(dpid)
        groups = {number: group for part in parts for number, group in part.groups.items()}
        return Rules(flows, groups, frozenset().union(*(part.learned for part in parts)))

    def switch(self, dpid: int) -> Switch | None:
        """The switch with a datapath id."""
        return next((one for one in self.cluster.switches if one.dpid == dpid), None) if self.cluster else None

    def node_bridges(self) -> list[int]:
        """The datapath ids that EVERY_NODE stands for."""
        return [one.dpid for one in self.cluster.switches if one.node] if self.cluster else []

    def node(self, name: str) -> Node | None:
        view = self._views["Node"].get(Key("", name))
        return view if isinstance(view, Node) else None

    def pod_with(self, address: str) -> Key | None:
        """The pod that has an address."""
        pods = (self._views["Pod"][key] for key in sorted(self._pods_at.get(address, ())))
        return next((one.key for one in pods if isinstance(one, Pod) and not one.finished), None)

    def uplinks(self, switch: str) -> tuple[int, ...]:
        """A switch's ports to other switches."""
        return self._topology.uplinks(switch) if self._topology else ()

    def intents(self, kind: str, key: Key) -> tuple[Intent, ...]:
        """What an object means for the network."""
        return self._intents.get((kind, key), ())

    def subjects(self) -> list[str]:
        """The names that cookies are explained by."""
        return [*(subject(unit) for unit in self._rules), *self.policies.subjects()]

    @property
    def policies(self) -> Policies:
        """Every policy, with what it comes to."""
        return self._policed.policies

    def _judged(self, kind: str, key: Key, before: View | None, after: View | None) -> Iterator[tuple[int, Change]]:
        """What an object changes of the flows of policies."""
        one = after or before
        if isinstance(one, Policy):
            yield from self._policed.put_policy(kind, key, after if isinstance(after, Policy) else None).items()
        elif isinstance(one, Namespace):
            yield from self._policed.put_namespace(key, after if isinstance(after, Namespace) else None).items()
        elif isinstance(one, Node):
            yield from self._policed.put_node(key, after if isinstance(after, Node) else None).items()
        elif isinstance(one, Pod | Cluster):
            pods = [(key, after)] if kind == "Pod" else list(self._views["Pod"].items())
            for name, pod in pods:
                view = pod if isinstance(pod, Pod) else None
                yield from self._policed.put_pod(name, view, self._bridge_of).items()

    def _bridge_of(self, node: str) -> int | None:
        bridge = self._topology.bridge_of(node) if self._topology else None
        return bridge.dpid if bridge else None

    def _concerned(self, kind: str, key: Key, before: View | None, after: View | None) -> list[Unit]:
        """The units whose flows an object is part of; what refers to what is noted before any of them is worked out."""
        if isinstance(after, Cluster) or isinstance(before, Cluster):
            return self._take_cluster(after)
        self._refer(key, before, here=False)
        self._refer(key, after, here=True)
        match kind:
            case "EndpointSlice":
                return _services_of(before, after)
            case "Pod":
                return [(kind, key), *self._weighed(key, before, after)]
            case "Node":
                pods = [("Pod", pod) for pod in sorted(self._pods_of[key.name])]
                return [(kind, key), *pods, *(("Service", one) for one in self._divided(before, after))]
            case "Service":
                return [(kind, key), *(("Service", other) for other in self._sharing(before, after) if other != key)]
        return [(kind, key)]

    def _sharing(self, *views: View | None) -> list[Key]:
        """The Services that have an external address of these."""
        addresses = {one for view in views if isinstance(view, Service) for one in external.addresses_of(view)}
        return sorted({key for address in addresses for key in self._announce[address]})

    def _weighed(self, pod: Key, before: View | None, after: View | None) -> list[Unit]:
        """The Services that a pod's weight matters to, if it is another now."""
        weights = {one.weight if isinstance(one, Pod) else DEFAULT_WEIGHT for one in (before, after)}
        slices = self._slices_with.get(pod, ()) if len(weights) > 1 else ()
        return _services_of(*(self._views["EndpointSlice"][name] for name in sorted(slices)))

    def _divided(self, before: View | None, after: View | None) -> list[Key]:
        """The Services that differ from node to node, if there is another node now, or a node in another zone."""
        zones = {one.zone if isinstance(one, Node) else None for one in (before, after)}
        return sorted(self._by_node) if len(zones) > 1 else []

    def _refer(self, key: Key, view: View | None, *, here: bool) -> None:
        """Note, or forget, a pod's node and addresses, a slice's Service and pods, a Service's external addresses."""
        referred: list[set[Key]] = []
        if isinstance(view, Pod):
            addresses = view.network.addresses if view.network else ()
            referred = [self._pods_of[view.node], *(self._pods_at[address] for address in addresses)]
        elif isinstance(view, EndpointSlice) and view.service:
            targets = [endpoint.target for endpoint in view.endpoints if endpoint.target]
            referred = [self._slices_of[view.service], *(self._slices_with[target] for target in targets)]
        elif isinstance(view, Service):
            referred = [self._announce[address] for address in external.addresses_of(view)]
        for one in referred:
            (one.add if here else one.discard)(key)

    def _take_cluster(self, view: View | None) -> list[Unit]:
        """The network itself is another: everything is worked out anew."""
        self.cluster = view if isinstance(view, Cluster) else None
        self._topology = self._whole = Topology(self.cluster) if self.cluster else None
        if self.cluster and self._down:
            self._topology = Topology(self.cluster, self._down, self._whole)
        kinds = ("Cluster", "Node", "Pod", "Service")
        return [(kind, key) for kind in kinds for key in sorted(self._views[kind].keys() | self._kept(kind))]

    def _kept(self, kind: str) -> set[Key]:
        """The keys of a kind that have flows, though their objects may be gone."""
        return {key for unit, key in self._intents if unit == kind}

    def _work_out(self, unit: Unit, changes: Changes) -> None:
        """Find out what an object means now; and then those who ask for what it asked for."""
        asked = self._intents_of(*unit)
        others = self._claims.put(unit, claims_of(self._views[unit[0]].get(unit[1]), asked))
        self._replace(unit, self._claims.granted(unit, asked), changes)
        for other in others:
            self._work_out(other, changes)

    def _replace(self, unit: Unit, wanted: tuple[Intent, ...], changes: Changes) -> None:
        """Compare a unit's intents, and where they differ its flows, with those before."""
        if wanted == self._intents.get(unit, ()):
            return
        before = self._rules.pop(unit, {})
        after = _rules(wanted, subject(unit), _by_place(self._intents.get(unit, ())), before)
        forgotten = stale.between(self._intents.pop(unit, ()), wanted, self.node_bridges())
        if wanted:
            self._intents[unit], self._rules[unit] = wanted, after
        for place in sorted(before.keys() | after.keys()):
            if place in before and before[place] is after.get(place):
                continue
            changes.setdefault(place, Change()).add(between(before.get(place, NOTHING), after.get(place, NOTHING)))
        for place, connections in forgotten.items():
            changes.setdefault(place, Change()).stale.update(dict.fromkeys(connections))

    def _intents_of(self, kind: str, key: Key) -> tuple[Intent, ...]:
        view = self._views[kind].get(key)
        if view is None or self.cluster is None or self._topology is None:
            return ()
        if isinstance(view, Cluster):
            return intents.of_cluster(view, self._topology, self._numbers.of)
        if isinstance(view, Node):
            return intents.of_node(view, self.cluster, self._topology, self._numbers.of)
        if isinstance(view, Pod):
            return intents.of_pod(view, self.node(view.node), self._topology)
        return self._of_service(view) if isinstance(view, Service) else ()

    def _of_service(self, service: Service) -> tuple[Intent, ...]:
        found = (self._views["EndpointSlice"][name] for name in self._slices_of[service.key])
        slices = [one for one in found if isinstance(one, EndpointSlice)]
        divided = services.depends_on_nodes(service, slices)
        (self._by_node.add if divided else self._by_node.discard)(service.key)
        homes = self._homes() if divided else ()
        serving = services.of_service(service, slices, homes, self._numbers.of, self._weight_of)
        if self.cluster is None or self._topology is None:
            return serving
        announced = [one for one in external.addresses_of(service) if self._announcer(one) == service]
        return (*serving, *external.routes(service, announced, slices, self._topology, self._numbers.of))

    def _announcer(self, address: str) -> Service:
        """The Service whose policy says which nodes serve an external address."""
        sharing = (self._views["Service"][key] for key in self._announce[address])
        return external.announcer(one for one in sharing if isinstance(one, Service))

    def _homes(self) -> list[Home]:
        """The nodes that have a bridge."""
        nodes = [(switch.dpid, self.node(switch.node)) for switch in (self.cluster.switches if self.cluster else ())]
        return [Home(dpid, node.name, node.zone) for dpid, node in nodes if node]

    def _weight_of(self, pod: Key) -> int:
        view = self._views["Pod"].get(pod)
        return view.weight if isinstance(view, Pod) else DEFAULT_WEIGHT


def subject(unit: Unit) -> str:
    """An object's name in cookies and explanations: `Kind namespace/name`."""
    return f"{unit[0]} {unit[1]}"


def _rules(
    wanted: tuple[Intent, ...], name: str, known: dict[int, tuple[Intent, ...]], rules: dict[int, Rules]
) -> dict[int, Rules]:
    """The flows of intents, by the switch they belong on; where intents are as they were known, so are the flows."""
    return {
        where: rules[where]
        if where in rules and group == known.get(where)
        else Rules.of(entry for intent in group for entry in features.write(intent, name))
        for where, group in _by_place(wanted).items()
    }


def _by_place(wanted: tuple[Intent, ...]) -> dict[int, tuple[Intent, ...]]:
    """Intents by the switch they belong on."""
    return {where: tuple(group) for where, group in groupby(sorted(wanted, key=place), key=place)}


def place(intent: Intent) -> int:
    """The switch that an intent belongs on; what concerns no switch in particular belongs on every node bridge."""
    return getattr(intent, "dpid", EVERY_NODE)


def _services_of(*slices: View | None) -> list[Unit]:
    """The Services that slices belong to, each once."""
    names = dict.fromkeys(one.service for one in slices if isinstance(one, EndpointSlice))
    return [("Service", name) for name in names if name]
