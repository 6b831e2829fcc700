"""Topologies on the kernel's datapath: many machines have it, the one that runs the tests may not."""

import subprocess
import sys

import pytest

from lab.microvm import image

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(bool(image.missing_programs()), reason=f"not installed: {' '.join(image.missing_programs())}"),
]

RUN = [sys.executable, "-m", "cli.main", "vm", "--timeout", "400", "--"]
CHOICE = "from topo import ovs; print('datapath', ovs.datapath_type('auto'))"
PYTEST = "-m pytest -p no:cacheprovider -W ignore::DeprecationWarning tests/netns/test_topology.py -k pod_is_added"


def test_auto_takes_it_and_packets_pass_in_both_placements() -> None:
    inside = f"{sys.executable} -m lab.sandbox -- {sys.executable}"
    script = f'modprobe openvswitch && {inside} -c "{CHOICE}" && {inside} {PYTEST}'
    done = subprocess.run([*RUN, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "datapath system" in done.stdout
