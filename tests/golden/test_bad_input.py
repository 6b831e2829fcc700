"""Every way in which a manifest is wrong, and the exact lines that a person gets to read.

A case is a folder of `bad_input`: `input/` holds what is given (all its files, sorted, or what `arguments.txt` names, a
line each; `stdin` is what stands on standard input), `expected.txt` the message.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from k8sshim import manifests
from k8sshim.errors import BadInput

pytestmark = pytest.mark.golden

CASES = Path(__file__).parent / "bad_input"


@pytest.mark.parametrize("name", sorted(case.name for case in CASES.iterdir()))
def test_message(name: str, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES / name
    arguments = case / "arguments.txt"
    stdin = case / "stdin"
    if stdin.exists():
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin.read_bytes())))
    folder = case / "input"
    monkeypatch.chdir(folder if folder.exists() else case)
    given = arguments.read_text().split() if arguments.exists() else sorted(path.name for path in folder.iterdir())

    with pytest.raises(BadInput) as caught:
        manifests.load(given)

    golden(case / "expected.txt", f"{caught.value}\n")
