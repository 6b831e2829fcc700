"""What a person reads who describes a cluster wrongly: one file a case, one line a problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from k8sshim.errors import BadInput
from topo import spec

pytestmark = pytest.mark.golden
CASES = sorted(Path(__file__).with_name("bad_cluster").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path, golden: Callable[[Path, str], None]) -> None:
    with pytest.raises(BadInput) as raised:
        spec.parse(yaml.safe_load(case.read_text()), file=case.name)
    lines = [str(problem) for problem in raised.value.problems]
    assert all(line.startswith(f"{case.name}: Cluster") for line in lines)
    golden(case.with_suffix(".txt"), "".join(f"{line}\n" for line in lines))


def test_there_are_cases() -> None:
    assert len(CASES) >= 15
