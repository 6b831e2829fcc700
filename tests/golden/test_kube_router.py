"""The peer of `policy-scale`, to the letter: what a host like kube-router's holds for three policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.policy_scaling.kube_router import firewall
from experiments.policy_scaling.policies import CLIENT, DENY, GUARDED, POD_NAME, Workload, many

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).with_name("kube_router")
PODS = [
    Workload("client", "198.18.0.2", (CLIENT,)),
    Workload("guarded", "198.18.1.2", (GUARDED,)),
    Workload("server-0", "198.18.2.2", (("app", "server"), (POD_NAME, "server-0"))),
]


def test_rules_and_sets(golden: Callable[[Path, str], None]) -> None:
    made = firewall([*many(2, ["server-0"], "server"), DENY], PODS)
    golden(FOLDER / "rules.txt", made.rules)
    golden(FOLDER / "sets.txt", made.restore)
