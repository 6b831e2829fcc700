"""Golden files: committed outputs, compared to the letter. `pytest tests/golden --update-golden` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HOW = "pytest tests/golden --update-golden writes it; read the difference before you commit it"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(file, text)`: fails unless the file holds that text; in update mode it writes the file."""
    # pytest knows the option only where tests/golden was named on its command line.
    update = request.config.getoption("--update-golden", default=False)

    def check(file: Path, text: str) -> None:
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif not file.exists():
            pytest.fail(f"there is no {file}; {HOW}")
        else:
            assert text == file.read_text(), f"{file} differs; {HOW}"

    return check
