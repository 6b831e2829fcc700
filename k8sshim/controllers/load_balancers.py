"""Addresses for Services of type LoadBalancer, out of the lab's pool: what a cloud's controller does elsewhere.

https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer. What is given stands in the Services'
status and nowhere else, so it outlives this process and goes with its Service.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from k8sshim.client import CLUSTERS, SERVICES
from k8sshim.cluster import Cluster
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import Plan, with_status
from k8sshim.objects import GROUP, Key, Raw
from k8sshim.validation.addresses import version_of

CLASS = f"{GROUP}/border"
CONDITION = f"{GROUP}/LoadBalancerAddress"  # False, and why, while a Service has no address
_POOL = Key("", "pool")  # all are planned together: two that were planned apart could choose the same address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Refusal:
    """Why a Service has no address."""

    reason: str
    message: str


@dataclass(frozen=True)
class LoadBalancers:
    """The controller of the pool."""

    name: str = "load-balancer"
    delay_s: float = 0.02

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == CLUSTERS or (change.resource == SERVICES and any(map(_concerns, change.present))):
            yield _POOL

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        clusters = world.all(CLUSTERS)
        if not clusters:
            return Plan()
        pool = [ipaddress.ip_network(cidr) for cidr in Cluster.parse(clusters[0]).load_balancer_cidrs]
        services = [raw for raw in world.all(SERVICES) if _concerns(raw)]
        outcome = assign([raw for raw in services if _is_ours(raw)], pool)
        writes = [
            write
            for raw in services
            for write in with_status(SERVICES, raw, _status(raw, outcome.get(Key.of(raw)), around.now))
        ]
        return Plan.of(writes, independent=True)


def assign(services: Sequence[Raw], pool: Sequence[Network]) -> dict[Key, str | Refusal]:
    """Who has which address of the pool, or why none.

    Who has one keeps it, the older Service where two have the same; then those get theirs that ask for one by name,
    and last those that do not care, by age.
    """
    by_age = sorted(services, key=_age)
    given: dict[Key, str | Refusal] = {}
    holders: dict[str, Key] = {}
    for raw in by_age:
        address = _held(raw)
        if address and _contains(pool, address) and _asked(raw) in ("", address) and address not in holders:
            given[Key.of(raw)], holders[address] = address, Key.of(raw)
    waiting = [raw for raw in by_age if Key.of(raw) not in given]
    free = _free(pool, holders)
    for raw in sorted(waiting, key=lambda raw: not _asked(raw)):
        asked, key = _asked(raw), Key.of(raw)
        found = _granted(asked, pool, holders) if asked else next(free, _exhausted(pool))
        given[key] = found
        if isinstance(found, str):
            holders[found] = key
    return given


def _granted(asked: str, pool: Sequence[Network], holders: Mapping[str, Key]) -> str | Refusal:
    if not _contains(pool, asked):
        return Refusal("AddressOutsidePool", f"loadBalancerIP {asked} is not in the pool ({_shown(pool)})")
    if asked in holders:
        return Refusal("AddressInUse", f"loadBalancerIP {asked} belongs to Service {holders[asked]}")
    return asked


def _free(pool: Sequence[Network], holders: Mapping[str, Key]) -> Iterator[str]:
    """The addresses of the pool that nobody has by the time they are asked for."""
    return (str(address) for network in pool for address in network.hosts() if str(address) not in holders)


def _exhausted(pool: Sequence[Network]) -> Refusal:
    return Refusal("PoolExhausted", f"the pool ({_shown(pool) or 'none'}) has no free address")


def _shown(pool: Sequence[Network]) -> str:
    return ", ".join(map(str, pool))


def _contains(pool: Sequence[Network], address: str) -> bool:
    """Whether an address is one that a host of the pool can have; loadBalancerIP may be any text."""
    if not version_of(address):
        return False
    parsed = ipaddress.ip_address(address)
    network = next((network for network in pool if parsed in network), None)
    if network is None:
        return False
    plain = network.num_addresses <= 2 or network.version == 6
    return plain or parsed not in (network.network_address, network.broadcast_address)


# What a Service says


def _is_ours(raw: Raw) -> bool:
    spec = raw.get("spec") or {}
    return spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") in (None, CLASS)


def _concerns(raw: Raw) -> bool:
    """Ours, or with a word of ours still in its status."""
    return _is_ours(raw) or any(each.get("type") == CONDITION for each in _conditions(raw))


def _conditions(raw: Raw) -> list[Raw]:
    return list((raw.get("status") or {}).get("conditions") or ())


def _asked(raw: Raw) -> str:
    return str(raw["spec"].get("loadBalancerIP") or "")


def _held(raw: Raw) -> str:
    ingress = ((raw.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("ip") or "")


def _age(raw: Raw) -> tuple[str, Key]:
    return raw["metadata"].get("creationTimestamp") or "", Key.of(raw)


def _status(raw: Raw, outcome: str | Refusal | None, now: datetime) -> Raw:
    """The status that a Service should have; None: it has an address from somebody else, or needs none."""
    status = dict(raw.get("status") or {})
    others = [each for each in _conditions(raw) if each.get("type") != CONDITION]
    if isinstance(outcome, str):
        status["loadBalancer"] = {"ingress": [{"ip": outcome, "ipMode": "VIP"}]}
    elif isinstance(outcome, Refusal):
        status["loadBalancer"] = {}
        others.append(_condition(raw, outcome, now))
    status.pop("conditions", None)
    return status | ({"conditions": others} if others else {})


def _condition(raw: Raw, refusal: Refusal, now: datetime) -> Raw:
    said = {"type": CONDITION, "status": "False", "reason": refusal.reason, "message": refusal.message}
    before = next((each for each in _conditions(raw) if each.get("type") == CONDITION), {})
    same = all(before.get(name) == value for name, value in said.items())
    return said | {"lastTransitionTime": before["lastTransitionTime"] if same else now.strftime("%Y-%m-%dT%H:%M:%SZ")}
