"""Every mode of the pod network, and links that delay and lose, where the machine's own kernel may have none of them.

Labs of two nodes come up in one micro-VM, one after another. Pods have an MTU that is too large on purpose: a packet of
just the size that a mode carries arrives, and one byte more is answered with that size.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from lab.microvm import image
from topo.network_spec import OVERHEAD

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(bool(image.missing_programs()), reason=f"not installed: {' '.join(image.missing_programs())}"),
]

RUN = [sys.executable, "-m", "cli.main", "vm", "--timeout", "2400", "--"]
PODWIRE = f"{sys.executable} -m cli.main"
MODES = [mode for mode in OVERHEAD if mode != "flat"]
_ASKED = os.environ.get("PODWIRE_VM_GROUPS", "").split()  # emulation takes many minutes for each
CHOSEN = [name for name in (*MODES, "shaped") if name in _ASKED or _ASKED == ["all"]]
HEADERS = 28  # bytes of IPv4's and of an echo's
DELAY_MS, CROSSINGS = 20, 4  # of one link; there and back over the two links between two nodes
CLUSTER = """\
apiVersion: podwire.dev/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec:
  nodes: 2
  dns: {{replicas: 0}}
  {fields}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec: {{nodeName: {node}, containers: [{{name: c, image: i}}]}}
"""


def script() -> str:
    """What the micro-VM runs: it tells what each lab's pings say."""
    pods = "---\n".join(POD.format(name=name, node=node) for name, node in (("a", "node1"), ("b", "node2")))
    lines = ["cd $(mktemp -d)", f"cat > pods.yaml <<'E'\n{pods}E"]
    for name in CHOSEN:
        shaped = f"links: {{delayMs: {DELAY_MS}, lossPercent: 10}}"
        fields = shaped if name == "shaped" else f"network: {{mode: {name}, podMtu: 1500}}"
        lines += [
            f"cat > {name}.yaml <<'E'\n{CLUSTER.format(name=name, fields=fields)}E",
            f"{PODWIRE} up {name}.yaml -f pods.yaml --timeout 600",
            f"b=$({PODWIRE} exec {name} b -- hostname -I)",
        ]
        if name == "shaped":
            lines.append(f"{PODWIRE} exec {name} a -- ping -c 60 -i 0.1 $b")
        else:
            carried = 1500 - OVERHEAD[name] - HEADERS
            lines += [f"{PODWIRE} exec {name} a -- ping -c 1 -M do -s {carried + more} $b" for more in (0, 1)]
        lines += [f"{PODWIRE} down {name}", f"echo ended {name}"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all labs said, in one boot."""
    if not CHOSEN:
        pytest.skip("emulated, too long for every run: PODWIRE_VM_GROUPS=all")
    file = tmp_path_factory.mktemp("vm") / "script"
    file.write_text(script())
    done = subprocess.run([*RUN, "sh", str(file)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def said(console: str, name: str) -> str:
    if name not in CHOSEN:
        pytest.skip("emulated, too long for every run: PODWIRE_VM_GROUPS=all")
    text = console.partition(f"ended {name}\n")
    assert text[1], console
    return text[0].rpartition("\nended ")[2]


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_carries_what_its_headers_leave_and_tells_so(console: str, mode: str) -> None:
    text, carried = said(console, mode), 1500 - OVERHEAD[mode]
    assert "1 packets transmitted, 1 received" in text, text
    assert re.search(rf"Frag needed and DF set \(mtu = {carried}\)", text), text


def test_links_delay_and_lose(console: str) -> None:
    text = said(console, "shaped")
    lost, least = re.search(r"([\d.]+)% packet loss", text), re.search(r"rtt min/avg/max/mdev = ([\d.]+)", text)
    assert lost and 0 < float(lost[1]) < 100, text
    assert least and float(least[1]) >= DELAY_MS * CROSSINGS, text
