"""How long the userspace datapath remembers connections that are closed. Pure.

A host keeps a closed TCP connection in TIME_WAIT for 60 s (Linux, net/tcp.h) and takes no other from the same
address and port meanwhile. Conntrack has to remember it for longer: what it has forgotten it gives away, and a client
that asks one endpoint by two Services from one port would be refused without a word. Open vSwitch's own 30 s are too
short; the kernel's conntrack has 120 s.
"""

from __future__ import annotations

from collections.abc import Iterable

CLOSED_S = 75
_STATES = ("tcp_close", "tcp_time_wait")  # what both ends have closed, and what one end has


def closed_connections(zones: Iterable[int]) -> list[str]:
    """The arguments by which ovs-vsctl gives zones of the userspace datapath these timeouts."""
    policy = ["--id=@policy", "create", "CT_Timeout_Policy", *(f"timeouts:{state}={CLOSED_S}" for state in _STATES)]
    names = {zone: f"@zone{zone}" for zone in zones}
    rows = [
        word
        for name in names.values()
        for word in ("--", f"--id={name}", "create", "CT_Zone", "timeout_policy=@policy")
    ]
    listed = ",".join(f"{zone}={name}" for zone, name in names.items())
    datapath = ["--", "--id=@datapath", "create", "Datapath", "datapath_version=unknown", f"ct_zones={{{listed}}}"]
    return [*policy, *rows, *datapath, "--", "set", "Open_vSwitch", ".", "datapaths:netdev=@datapath"]
