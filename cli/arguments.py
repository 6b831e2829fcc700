"""Arguments and options that several commands have, and how all print JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

LabName = Annotated[str, typer.Argument(metavar="N", help="The lab's name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
