"""The outside host's DNS server: dnsmasq, which knows a few names and says of every other that there is none.

No question ever leaves the lab.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from k8sshim.cluster import OUTSIDE, Cluster
from lab.components import CLUSTER, TOPOLOGY_READY

OWN_NAMES = ("host.outside.test", "www.example.com", "example.com")  # of the outside host itself
_TTL_S = 5
_LOOK_S = 0.02


def names(cluster: Cluster) -> dict[str, str]:
    """What it knows without being told: the outside host."""
    host = cluster.host(OUTSIDE)
    return dict.fromkeys(OWN_NAMES, host.addresses[0]) if host else {}


def dnsmasq_argv(known: Mapping[str, str], *options: str) -> list[str]:
    """The server, in the foreground, with all it needs to know as arguments. Pure."""
    return [
        *("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--log-facility=-"),
        *("--no-resolv", "--no-hosts", "--local=/#/", f"--local-ttl={_TTL_S}", "--cache-size=0"),
        *(f"--host-record={name},{address}" for name, address in known.items()),
        *options,
    ]


def main() -> None:
    """Become the server, in the outside host's namespace, once that is there."""
    while not TOPOLOGY_READY.exists():
        time.sleep(_LOOK_S)
    raw = json.loads(CLUSTER.read_text())
    own = names(Cluster.parse(raw))
    chosen = ((raw.get("spec") or {}).get("outside") or {}).get("names") or {}
    argv = ["nsenter", f"--net=/run/netns/{OUTSIDE}", "--", *dnsmasq_argv(own | chosen)]
    os.execvp(argv[0], argv)  # noqa: S606 - an argument list


if __name__ == "__main__":
    main()
