"""Tests of this tier make namespaces, links and Open vSwitch daemons, so they run in a sandbox or not at all."""

from __future__ import annotations

import os

import pytest

HOW = "not in a sandbox: run `python -m lab.sandbox -- python -m pytest tests/netns`"


@pytest.fixture(autouse=True, scope="session")
def in_a_sandbox() -> None:
    """Skips every test outside a sandbox: nothing may be made in the machine's own namespaces."""
    if os.environ.get("PODWIRE_SANDBOX") != "1":
        pytest.skip(HOW)
