"""What the pages promise a reader is there: pictures and pages that they link to, and a cluster that can be built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from k8sshim import manifests
from topo import spec

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_the_readme_s_cluster_is_one() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert spec.parse(yaml.safe_load(block)).name == "racks"


def test_the_readme_s_manifests_are_there() -> None:
    named = re.findall(r" -f (\S+\.yaml)", (ROOT / "README.md").read_text())
    assert named
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_the_pages_manifests_can_be_read() -> None:
    page = (ROOT / "docs" / "services.md").read_text()
    named = re.findall(r"-f (\S+\.yaml)", page)
    raws = [one.raw for one in manifests.load([str(ROOT / file) for file in named])]
    services = {raw["metadata"]["name"] for raw in raws if raw["kind"] == "Service"}
    asked = set(re.findall(r"`http://([a-z-]+)/", page))
    assert asked and asked <= services
