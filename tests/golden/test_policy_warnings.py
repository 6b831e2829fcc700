"""What `podwire policy lint` says of files that get things wrong, to the letter; and of those that do not, nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import main

pytestmark = pytest.mark.golden
FOLDER = Path(__file__).parent / "policy_lint"
RECIPES = Path(__file__).parents[3] / "shared" / "manifests" / "network-policy-recipes"
CODES = {"bad": 2, "good": 0, "peers": 1, "policies": 1, "ports": 1}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(["policy", "lint", *arguments])
    return code, *capsys.readouterr()


def test_every_file_is_a_case() -> None:
    assert {each.stem for each in FOLDER.glob("*.yaml")} == set(CODES)


@pytest.mark.parametrize("case", sorted(CODES))
def test_lint(
    case: str,
    golden: Callable[[Path, str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(FOLDER)
    code, out, err = run(capsys, f"{case}.yaml")
    assert code == CODES[case]
    golden(FOLDER / f"{case}.txt", f"$ podwire policy lint {case}.yaml\nexit code {code}\n{out}{err}")


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--json", str(FOLDER / "ports.yaml"), str(FOLDER / "good.yaml"))
    found = json.loads(out)
    assert code == 1 and {each["check"] for each in found} == {"port-name", "service-port", "dns"}
    assert found[0]["object"] == "NetworkPolicy shop/web" and found[0]["document"] == 3
    assert found[0]["field"] == "spec.ingress[0].ports[1].port"


def test_checks_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    ports = str(FOLDER / "ports.yaml")
    assert run(capsys, "--select", "dns", ports)[1].count("\n") == 2
    assert run(capsys, "--ignore", "dns", ports)[1].count("\n") == 3
    assert run(capsys, "--select", "dns", "--ignore", "dns", ports) == (0, "nothing found in 3 policies\n", "")
    code, _, err = run(capsys, "--select", "nonsense", ports)
    assert code == 2 and err.startswith("podwire: --select: there is no check nonsense; there are: or-for-and, ")


@pytest.mark.skipif(not RECIPES.is_dir(), reason="network-policy-recipes is not beside the checkout")
def test_the_recipes_get_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for recipe in sorted(RECIPES.glob("*.yaml")):
        assert run(capsys, str(recipe))[:2] == (0, "nothing found in 1 policy\n"), recipe.name
