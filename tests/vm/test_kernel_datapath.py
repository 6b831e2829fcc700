"""The kernel's datapath, tunnels, links that delay, and SCTP, where the machine itself may have none of them.

The namespace tests run in one micro-VM, which has all; each group of them is a test here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from lab.microvm import image

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(bool(image.missing_programs()), reason=f"not installed: {' '.join(image.missing_programs())}"),
]

RUN = [sys.executable, "-m", "cli.main", "vm", "--timeout", "2400", "--"]
CHOICE = "from topo import ovs; print('datapath', ovs.datapath_type('auto'))"
QUICK = "quick_connections or made_at_once or hash_spreads"  # and so many connections that emulation takes minutes
GROUPS = {
    "overlays": ["tests/netns/test_overlays.py"],
    "topology": ["tests/netns/test_topology.py", "-k", "pod_is_added"],
    "datapaths": ["tests/netns/test_datapaths.py", "-k", "while_packets_ask"],
    "late-answers": ["tests/netns/test_policy_silent_clients.py", "-k", "comes_late and 10.96"],
    "kinds": ["tests/netns/test_service_kinds.py", "-k", "not ryu"],
    "outside": ["tests/netns/test_services_from_outside.py", "tests/netns/test_longest_ways.py"],
    "balancing": ["tests/netns/test_balancing.py", "-k", f"not ryu and not ({QUICK})"],
    "sctp": ["tests/netns/test_sctp.py"],
    "sctp-policies": ["tests/netns/test_netpol_sctp.py"],
    "sctp-stand-ins": ["tests/netns/test_agent_standins.py", "-k", "sctp"],
}

MODULES = "openvswitch sctp geneve ip_gre ipip wireguard sch_netem"
# Emulation takes a quarter of an hour for all: PODWIRE_VM_GROUPS=all, or names.
USUAL = ("overlays", "topology", "datapaths", "late-answers", "sctp", "sctp-policies")
_ASKED = os.environ.get("PODWIRE_VM_GROUPS", " ".join(USUAL)).split()
CHOSEN = tuple(GROUPS) if _ASKED == ["all"] else tuple(name for name in GROUPS if name in _ASKED)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all groups said, in one boot."""
    sandbox = f"{sys.executable} -m lab.sandbox -- {sys.executable}"
    pytest_there = f"{sandbox} -m pytest --color=no --tb=short -rs -p no:cacheprovider -W ignore::DeprecationWarning"
    lines = [f"modprobe -a {MODULES} || exit 1", f'{sandbox} -c "{CHOICE}"']
    for name, arguments in ((name, GROUPS[name]) for name in CHOSEN):
        quoted = " ".join(f"'{one}'" for one in arguments)
        lines += [f"{pytest_there} {quoted}; echo ended {name} $?"]
    script = tmp_path_factory.mktemp("vm") / "script"
    script.write_text("\n".join(lines))
    done = subprocess.run([*RUN, "sh", str(script)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_auto_takes_it(console: str) -> None:
    assert "datapath system" in console, console


@pytest.mark.parametrize("group", GROUPS)
def test_packets_pass(console: str, group: str) -> None:
    """None fails, and none is skipped."""
    if group not in CHOSEN:
        pytest.skip("emulated, too long for every run: PODWIRE_VM_GROUPS=all")
    said = console.partition(f"ended {group} ")[0].rpartition("\nended ")[2]
    assert f"ended {group} 0\n" in console, said
    assert re.search(r"^\d+ passed", said, re.MULTILINE), said
    assert " skipped" not in said.splitlines()[-1], said
