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


@pytest.fixture(scope="module")
def shared_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """One API server for a module's tests that leave nothing in it."""
    server = ApiProcess(tmp_path_factory.mktemp("api"))
    try:
        server.start()
        yield server
    finally:
        server.close()
