"""The doctor knows what the rest of podwire sends people to it for."""

from __future__ import annotations

import pytest

from experiments.traffic import SERVERS
from lab.features import FEATURES

pytestmark = pytest.mark.unit


def test_every_traffic_tool_is_a_feature() -> None:
    assert {argv[0] for argv in SERVERS} <= {feature.name for feature in FEATURES}
