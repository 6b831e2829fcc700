"""What every switch shall hold, kept by object: an event works out that object's flows again, and those alone.

Pure: views of objects go in, changes for switches come out. The dependencies between objects are few, and are followed
here: a pod's flows depend on its node, a Service's on its slices, and all on the cluster.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

from k8sshim.cluster import Cluster, Switch
from k8sshim.objects import EndpointSlice, Key, Node, Pod, Service

from . import features, intents
from .diff import NOTHING, Change, Rules, between
from .intents import Intent
from .topology import Topology

EVERY_NODE = -1  # stands for the datapath id of every node bridge
View = Cluster | Node | Pod | Service | EndpointSlice
Unit = tuple[str, Key]  # kind and key of the object that flows are kept by
Changes = dict[int, Change]  # by datapath id, or EVERY_NODE


class Desired:
    """The state of the network as it shall be."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self._topology: Topology | None = None
        self._views: dict[str, dict[Key, View]] = defaultdict(dict)
        self._pods_of: dict[str, set[Key]] = defaultdict(set)
        self._slices_of: dict[Key, set[Key]] = defaultdict(set)
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
        return changes

    def wanted(self, dpid: int) -> Rules:
        """All that one switch shall hold."""
        switch = self.switch(dpid)
        places = (dpid, EVERY_NODE) if switch and switch.node else (dpid,)
        parts = [by_place.get(place, NOTHING) for by_place in self._rules.values() for place in places]
        flows = {number: flow for part in parts for number, flow in part.flows.items()}
        return Rules(flows, {number: group for part in parts for number, group in part.groups.items()})

    def switch(self, dpid: int) -> Switch | None:
        """The switch with a datapath id."""
        return next((one for one in self.cluster.switches if one.dpid == dpid), None) if self.cluster else None

    def node_bridges(self) -> list[int]:
        """The datapath ids that EVERY_NODE stands for."""
        return [one.dpid for one in self.cluster.switches if one.node] if self.cluster else []

    def node(self, name: str) -> Node | None:
        view = self._views["Node"].get(Key("", name))
        return view if isinstance(view, Node) else None

    def uplinks(self, switch: str) -> tuple[int, ...]:
        """A switch's ports to other switches."""
        return self._topology.uplinks(switch) if self._topology else ()

    def subjects(self) -> list[str]:
        """The names that cookies are explained by."""
        return [subject(unit) for unit in self._rules]

    def _concerned(self, kind: str, key: Key, before: View | None, after: View | None) -> list[Unit]:
        """The units whose flows an object is part of; what refers to what is noted before any of them is worked out."""
        if isinstance(after, Cluster) or isinstance(before, Cluster):
            return self._take_cluster(after)
        self._refer(key, before, here=False)
        self._refer(key, after, here=True)
        if kind == "EndpointSlice":
            views = (before, after)
            return [
                ("Service", name)
                for name in {one.service: None for one in views if isinstance(one, EndpointSlice)}
                if name
            ]
        pods = sorted(self._pods_of[key.name]) if kind == "Node" else []
        return [(kind, key), *(("Pod", pod) for pod in pods)]

    def _refer(self, key: Key, view: View | None, *, here: bool) -> None:
        """Note, or forget, which node a pod and which Service a slice belongs to."""
        referred: set[Key] = set()
        if isinstance(view, Pod):
            referred = self._pods_of[view.node]
        elif isinstance(view, EndpointSlice) and view.service:
            referred = self._slices_of[view.service]
        (referred.add if here else referred.discard)(key)

    def _take_cluster(self, view: View | None) -> list[Unit]:
        """The network itself is another: everything is worked out anew."""
        self.cluster = view if isinstance(view, Cluster) else None
        self._topology = Topology(self.cluster) if self.cluster else None
        kinds = ("Cluster", "Node", "Pod", "Service")
        return [(kind, key) for kind in kinds for key in sorted(self._views[kind].keys() | self._kept(kind))]

    def _kept(self, kind: str) -> set[Key]:
        """The keys of a kind that have flows, though their objects may be gone."""
        return {key for unit, key in self._intents if unit == kind}

    def _work_out(self, unit: Unit, changes: Changes) -> None:
        """Compare a unit's intents, and where they differ its flows, with those before."""
        wanted = self._intents_of(*unit)
        if wanted == self._intents.get(unit, ()):
            return
        before, after = self._rules.pop(unit, {}), _rules(wanted, subject(unit))
        self._intents.pop(unit, None)
        if wanted:
            self._intents[unit], self._rules[unit] = wanted, after
        for place in sorted(before.keys() | after.keys()):
            changes.setdefault(place, Change()).add(between(before.get(place, NOTHING), after.get(place, NOTHING)))

    def _intents_of(self, kind: str, key: Key) -> tuple[Intent, ...]:
        view = self._views[kind].get(key)
        if view is None or self.cluster is None or self._topology is None:
            return ()
        if isinstance(view, Cluster):
            return intents.of_cluster(view, self._topology)
        if isinstance(view, Node):
            return intents.of_node(view, self.cluster, self._topology)
        if isinstance(view, Pod):
            return intents.of_pod(view, self.node(view.node), self._topology)
        if isinstance(view, Service):
            slices = [self._views["EndpointSlice"][name] for name in self._slices_of[key]]
            return intents.of_service(view, [one for one in slices if isinstance(one, EndpointSlice)])
        return ()


def subject(unit: Unit) -> str:
    """An object's name in cookies and explanations: `Kind namespace/name`."""
    return f"{unit[0]} {unit[1]}"


def _rules(wanted: tuple[Intent, ...], name: str) -> dict[int, Rules]:
    """The flows of intents, by the switch they belong on."""
    ordered = sorted(wanted, key=place)
    return {
        where: Rules.of(entry for intent in group for entry in features.write(intent, name))
        for where, group in groupby(ordered, key=place)
    }


def place(intent: Intent) -> int:
    """The switch that an intent belongs on; what concerns no switch in particular belongs on every node bridge."""
    return getattr(intent, "dpid", EVERY_NODE)
