"""`podwire report`: plots and report again, from stored results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that podwire run has written.")],
) -> None:
    """Make plots and report of a run again."""
    from experiments import folder as stored
    from experiments import report as reports

    print(reports.write(stored.read(folder), folder))
