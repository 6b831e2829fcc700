"""Buckets that live as long as the way they stand for, and what takes the place of ways that are all dead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .actions import Actions, ToGroup
from .flows import Group, Owner, Watch
from .intents import Failover
from .topology import NextHop


def watches(next_hops: Sequence[NextHop]) -> tuple[Watch, ...]:
    """Each way lives by its port."""
    return tuple(Watch(port=next_hop.port) for next_hop in next_hops)


def failover_group(one: Failover, via: Callable[[NextHop], Actions], owner: Owner) -> Group:
    """The best ways while one of them lives, else the first backup that does."""
    best = (ToGroup(one.best),) if one.best else via(one.next_hop)
    lives = Watch(group=one.best) if one.best else Watch(port=one.next_hop.port)
    return owner.group(one.group, (best, *map(via, one.backups)), watches=(lives, *watches(one.backups)), first=True)
