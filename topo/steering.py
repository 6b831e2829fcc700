"""Has a node's own traffic to its own address leave for the bridge, where the kernel would keep it on loopback.

A node port or host port is translated by the node bridge, so what a node's processes send to one must get there. The
rule that finds the machine's own addresses comes after ours: for locally made packets (`iif lo`) to these ports, a
table with one route, by the node's gateway. What comes back by the bridge has the node's own address as its source, or
127.0.0.1, and is taken nevertheless. Everything here acts in the calling thread's namespace.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from k8sshim.errors import PodwireError

from .ports import OwnPorts
from .syscalls import index_of, write_sysctls

_NUMBERS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP, "SCTP": socket.IPPROTO_SCTP}
_TABLE = 0x706F  # "po"
_KEPT_PRIORITY, _STEERED_PRIORITY, _LOCAL_PRIORITY = 5, 10, 100
_LOCAL_TABLE, _KERNELS_PRIORITY = 255, 0
_BITS: dict[int, int] = {socket.AF_INET: 32, socket.AF_INET6: 128}


def steer(interface: str, ways: Mapping[str, str], wanted: Iterable[OwnPorts]) -> None:
    """Steer exactly what is wanted by `interface`; `ways` are the node's addresses and the gateway of each.

    Doing it again is no error. Raises PodwireError where the kernel cannot.
    """
    settings = {"accept_local": "1", "route_localnet": "1", "rp_filter": "0"}
    write_sysctls({f"net/ipv4/conf/{interface}/{name}": value for name, value in settings.items()})
    write_sysctls({"net/ipv4/conf/all/rp_filter": "0"})
    index, missing = index_of(interface), set(wanted)
    with _said(), IPRoute() as netlink:
        for address, gateway in ways.items():
            everything = "::/0" if ":" in address else "0.0.0.0/0"
            netlink.route("replace", table=_TABLE, dst=everything, gateway=gateway, oif=index, prefsrc=address)
        for family in {_family(address) for address in ways}:
            rules = list(netlink.get_rules(family=family))
            _put_local_table_last(netlink, family, rules)
            for found in filter(None, map(_own_ports, rules)):
                if found in missing:
                    missing.remove(found)
                else:
                    netlink.rule("del", **_rule(found))
        for one in sorted(missing):
            netlink.rule("add", **_rule(one))


def _put_local_table_last(netlink: IPRoute, family: int, rules: Iterable[Any]) -> None:
    priorities = {
        rule.get_attr("FRA_PRIORITY") or _KERNELS_PRIORITY
        for rule in rules
        if rule.get_attr("FRA_TABLE") == _LOCAL_TABLE
    }
    if _LOCAL_PRIORITY not in priorities:
        netlink.rule("add", family=family, priority=_LOCAL_PRIORITY, table=_LOCAL_TABLE)
    if _KERNELS_PRIORITY in priorities:
        netlink.rule("del", family=family, priority=_KERNELS_PRIORITY, table=_LOCAL_TABLE)


def _rule(one: OwnPorts) -> dict[str, Any]:
    family = _family(one.address)
    return {
        "family": family,
        "priority": _KEPT_PRIORITY if one.kept else _STEERED_PRIORITY,
        "table": _LOCAL_TABLE if one.kept else _TABLE,
        "dst": one.address,
        "dst_len": _BITS[family],
        "iifname": "lo",
        "ip_proto": _NUMBERS[one.protocol],
        "dport_range": f"{one.first}:{one.last}",
    }


def _own_ports(rule: Any) -> OwnPorts | None:
    """What a rule of the kernel is about, where it is one of ours."""
    kept = rule.get_attr("FRA_PRIORITY") == _KEPT_PRIORITY
    if not kept and rule.get_attr("FRA_TABLE") != _TABLE:
        return None
    protocol = next(name for name, number in _NUMBERS.items() if number == rule.get_attr("FRA_IP_PROTO"))
    first, last = rule.get_attr("FRA_DPORT_RANGE").split(":")
    return OwnPorts(rule.get_attr("FRA_DST"), protocol, int(first), int(last), kept)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except (NetlinkError, OSError) as error:
        raise PodwireError(f"policy routing: {' '.join(str(error).split())}") from error
