"""The list of mutations that `tools/mutate` makes is current: each changes something that is there, once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]
LIST = yaml.safe_load((ROOT / "tools" / "mutations.yaml").read_text())


@pytest.mark.parametrize("file", sorted({one["file"] for one in LIST}))
def test_what_is_changed_is_there_once(file: str) -> None:
    text = (ROOT / file).read_text()
    for one in LIST:
        if one["file"] == file:
            assert text.count(one["was"]) == 1, one["breaks"]
            compile(text.replace(one["was"], one["now"]), file, "exec")
            assert one["now"] != one["was"]


def test_no_two_are_the_same() -> None:
    assert len({tuple(sorted(one.items())) for one in LIST}) == len(LIST)
