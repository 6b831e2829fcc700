"""The table of policies at work, to the letter: as wide as a terminal of 80 columns, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.policy_ls import print_policies
from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy
from k8sshim.policies import Policy, network_policy
from lab.tracing.policy_counters import Count, PolicyUse, RuleUse

pytestmark = pytest.mark.golden
FOLDER = Path(__file__).parent / "policy_ls"
ADMIN = {"priority": 5, "subject": {"namespaces": {}}}


def policy(kind: str, name: str, namespace: str = "", **spec: object) -> Policy:
    read = {
        "NetworkPolicy": network_policy,
        "AdminNetworkPolicy": admin_network_policy,
        "BaselineAdminNetworkPolicy": baseline_admin_network_policy,
    }
    return read[kind]({"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})


USES = (
    PolicyUse(
        policy("AdminNetworkPolicy", "no-other", **ADMIN),
        tuple(f"shop/pod-{number}" for number in range(9)),
        (
            RuleUse("ingress[0]", "pass-web", "Pass", True, Count(3, 8)),
            RuleUse("ingress[1]", "a name that is a good deal longer than its column", "Deny", True, Count(20, 20)),
            RuleUse("egress[0]", "", "Allow", False, Count()),
        ),
        (),
    ),
    PolicyUse(
        policy("NetworkPolicy", "[bold]", "shop", podSelector={}, egress=[{}], policyTypes=["Ingress", "Egress"]),
        ("shop/web",),
        (RuleUse("egress[0]", "", "Allow", True, Count(1234567, 12345678901)),),
        (("ingress", Count(2, 3)), ("egress", Count())),
    ),
    PolicyUse(
        policy("BaselineAdminNetworkPolicy", "default", subject={"namespaces": {}}),
        (),
        (RuleUse("egress[0]", "no-web", "Deny", True, Count(1, 1)),),
        (),
    ),
)


@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
def test_table(wide: bool, capsys: pytest.CaptureFixture[str], golden: Callable[[Path, str], None]) -> None:
    print_policies(USES, wide=wide)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    golden(FOLDER / f"{'wide' if wide else 'narrow'}.txt", printed)


def test_without_policies(capsys: pytest.CaptureFixture[str]) -> None:
    print_policies([], wide=False)
    assert capsys.readouterr().out == "no policies\n"
