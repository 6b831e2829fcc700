"""Frames as they cross a link, by tcpdump: how much longer each is than the packet that the pod sent."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence

from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.path_mtu import HEADERS
from lab.sandbox import enter_argv

ETHERNET = 14
PACKET = 496  # bytes that the pod sends: a multiple of 16, which encryption pads to
_COUNT, _WAIT_S = 5, 6.0
_LENGTH = re.compile(r", length (\d+): ")


def overhead(sandbox: Sandbox, link: tuple[str | None, str], netns: str, address: str) -> tuple[int, tuple[str, ...]]:
    """Bytes that a frame has beside Ethernet's header and the pod's packet; and the command that watched.

    `link`: the namespace and the interface where frames are watched. Raises ToolFailed.
    """
    where, interface = link
    argv = ["timeout", str(_WAIT_S), "tcpdump", "-Z", "root", "-i", interface, "-nn", "-e", "-l", "-p", "-Q", "out"]
    argv += ["-c", str(_COUNT), "greater", str(ETHERNET + PACKET)]
    watching = subprocess.Popen(
        enter_argv(sandbox.pid, argv, netns=where), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stderr
    listening = any("listening on" in line for line in watching.stderr)  # reads up to the first such line
    ping = ["ping", "-n", "-c", str(_COUNT), "-i", "0.05", "-W", "1", "-s", str(PACKET - HEADERS), address]
    done = sandbox.run(ping, netns=netns)
    said, _ = watching.communicate(timeout=_WAIT_S + 5)
    if not listening or done.code:
        raise ToolFailed(f"{'ping: no answer from ' + address if listening else 'tcpdump: cannot watch ' + interface}")
    return of(said.splitlines()) - ETHERNET - PACKET, tuple(argv)


def of(lines: Sequence[str]) -> int:
    """The length of the frames that carried packets: the most frequent one that is long enough. Raises ToolFailed."""
    lengths = Counter(
        length for line in lines if (match := _LENGTH.search(line)) and (length := int(match[1])) >= ETHERNET + PACKET
    )
    if not lengths:
        raise ToolFailed("tcpdump: no frame that is as long as the packets")
    return lengths.most_common(1)[0][0]
