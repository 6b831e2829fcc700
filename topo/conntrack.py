"""What the userspace datapath's conntrack has to do: forget closed connections soon, take any sequence number. Pure.

A closed connection holds the port that its client's node lent it (`NODE_SOURCE_PORTS` of the controller), so Open
vSwitch's 30 s are too long: a busy client outside would use all of them up. What conntrack has forgotten, or what went
another way, a host may still remember: it keeps a closed TCP connection in TIME_WAIT for 60 s (Linux, net/tcp.h). Asked
for another one from the same address and port, it may answer with an acknowledgement of the old, which the client
resets before it asks again (RFC 5961, section 4.2). The reset's sequence number belongs to no connection that conntrack
has seen. Open vSwitch would call it invalid and leave it untranslated, and the client would ask in vain. So sequence
numbers are not looked at. The kernel's conntrack knows this exchange (IP_CT_EXP_CHALLENGE_ACK) and lets it through.
"""

from __future__ import annotations

from collections.abc import Iterable

CLOSED_S = 5  # a few retransmissions of what ended it
ANY_SEQUENCE_NUMBER = ("dpctl/ct-disable-tcp-seq-chk", "netdev@ovs-netdev")  # ovs-vswitchd forgets it as it ends


def closed_connections(zones: Iterable[int]) -> list[str]:
    """The arguments by which ovs-vsctl gives zones of the userspace datapath this timeout."""
    policy = ["--id=@policy", "create", "CT_Timeout_Policy", f"timeouts:tcp_close={CLOSED_S}"]
    names = {zone: f"@zone{zone}" for zone in zones}
    rows = [
        word
        for name in names.values()
        for word in ("--", f"--id={name}", "create", "CT_Zone", "timeout_policy=@policy")
    ]
    listed = ",".join(f"{zone}={name}" for zone, name in names.items())
    datapath = ["--", "--id=@datapath", "create", "Datapath", "datapath_version=unknown", f"ct_zones={{{listed}}}"]
    return [*policy, *rows, *datapath, "--", "set", "Open_vSwitch", ".", "datapaths:netdev=@datapath"]
