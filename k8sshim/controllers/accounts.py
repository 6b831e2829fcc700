"""The ServiceAccount `default` of every namespace, under which pods run that name no other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import NAMESPACES, SERVICE_ACCOUNTS
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Create, Plan
from k8sshim.objects import Key

_NAME = "default"


@dataclass(frozen=True)
class Accounts:
    """The controller; its keys are those of namespaces."""

    name: str = "serviceaccount"
    delay_s: float = 0.0

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == NAMESPACES:
            yield change.key
        elif change.resource == SERVICE_ACCOUNTS and change.new is None and change.key.name == _NAME:
            yield Key("", change.key.namespace)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        namespace, wanted = world.get(NAMESPACES, key), Key(key.name, _NAME)
        if namespace is None or namespace["metadata"].get("deletionTimestamp") or world.get(SERVICE_ACCOUNTS, wanted):
            return NOTHING
        metadata = {"namespace": wanted.namespace, "name": wanted.name}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        return Plan.of([Create(SERVICE_ACCOUNTS, account, exists_ok=True)])
