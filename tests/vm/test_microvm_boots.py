"""The micro-VM has the kernel features that it is there for, and writes here and where calibrations are alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.microvm import image

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(bool(image.missing_programs()), reason=f"not installed: {' '.join(image.missing_programs())}"),
]

RUN = [sys.executable, "-m", "cli.main", "vm", "--timeout", "600", "--"]
ROOT = Path(__file__).parents[2]
MODULES = "openvswitch sch_netem ip_vs geneve wireguard nf_flow_table ip_gre"


def test_the_guest_has_the_modules_and_hands_on_files_output_errors_and_its_exit_code(tmp_path: Path):
    here, elsewhere = tmp_path / "here, of ours", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
    script = f"for m in {MODULES}; do modprobe $m && echo module $m; done; podwire --version; "
    script += "test -t 1 || test -t 2 || echo of errors >&2; "
    script += f"echo written > seen; touch {elsewhere}/seen; "
    script += "python3 -c 'from experiments import calibration; print(calibration.store({\"cores\": 5}))'; exit 7"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PODWIRE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*RUN, "sh", "-c", script], capture_output=True, text=True, check=False, cwd=here, env=environment
    )
    *modules, version, calibration = done.stdout.split("\n")[:-1]
    assert modules == [f"module {name}" for name in MODULES.split()], done.stderr
    assert version.startswith("podwire "), done.stderr
    assert (done.stderr, done.returncode) == ("of errors\n", 7)
    assert (here / "seen").read_text() == "written\n"
    assert not (elsewhere / "seen").exists()
    assert '"cores": 5' in Path(calibration).read_text()
