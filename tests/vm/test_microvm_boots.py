"""The micro-VM has the kernel features that it is there for, and leaves the host's files alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.microvm import image

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(bool(image.missing_programs()), reason=f"not installed: {' '.join(image.missing_programs())}"),
]

RUN = [sys.executable, "-m", "cli.main", "vm", "--timeout", "120", "--"]
MODULES = "openvswitch sch_netem ip_vs geneve wireguard nf_flow_table ip_gre"


def test_the_guest_has_the_modules_and_hands_on_its_exit_code(tmp_path: Path):
    script = f"for m in {MODULES}; do modprobe $m && echo module $m; done; touch {tmp_path}/seen; exit 7"
    done = subprocess.run([*RUN, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:-1] == [f"module {name}" for name in MODULES.split()], done.stderr
    assert done.returncode == 7
    assert not (tmp_path / "seen").exists()
