"""A stored run, and to the letter the table and the page that are made from it.

After a wanted change: PODWIRE_GOLDEN=write pytest tests/golden/test_report.py, and read the difference.
"""

from __future__ import annotations

import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli.summary import print_summary
from experiments import folder, report
from experiments.canvas import Drawn
from experiments.results import Run

pytestmark = pytest.mark.golden

GOLDEN = Path(__file__).with_name("report")


@pytest.fixture(scope="module")
def run() -> Run:
    return folder.read(GOLDEN)


def compare(name: str, text: str) -> None:
    if os.environ.get("PODWIRE_GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def test_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(run)
    printed = capsys.readouterr()
    compare("summary.txt", printed.out)
    compare("failures.txt", printed.err)


def test_page(run: Run) -> None:
    image = Drawn("throughput-tcp", "TCP throughput", "what it says")
    compare("report.html", report.render(run, [(image, "data:image/svg+xml;base64,AA==")]))


class _References(HTMLParser):
    """Everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]


def test_page_and_plots_are_whole_and_the_same_each_time(run: Run, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        place = tmp_path / name
        place.mkdir()
        shutil.copy(GOLDEN / "run.json", place)
        report.write(folder.read(place), place)
        made.append({path.name: path.read_bytes() for path in place.iterdir()})
    assert made[0] == made[1]
    plots = {
        f"{name}.{suffix}" for name in ("throughput-tcp", "throughput-udp", "latency") for suffix in ("png", "svg")
    }
    assert set(made[0]) == plots | {"report.html", "run.json"}
    page = made[0]["report.html"].decode()
    references = _References()
    references.feed(page)
    assert len(references.found) == 3
    assert all(one.startswith("data:image/svg+xml;base64,") for one in references.found)
    assert not re.search(r"https?://", page), "the page is to work offline"


def test_what_a_tool_said_is_text_in_the_page(run: Run) -> None:
    page = report.render(run, [])
    assert "&lt;b&gt;No route&lt;/b&gt; to host" in page
