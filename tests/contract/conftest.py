"""Fixtures that contract tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_process import ApiProcess


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[ApiProcess]:
    """An API server on loopback, empty but for its namespaces: `url`, `kubeconfig`, `restart()`, `request(...)`."""
    server = ApiProcess(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.close()
