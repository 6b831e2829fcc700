"""`podwire doctor`: what this machine can do."""

from __future__ import annotations

import typer

from cli.arguments import AsJson, print_json


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine can do, what is missing, what that costs, and how to get it.

    Exit code 0 if a lab can run here, 1 if not.
    """
    from lab.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.raw())
    else:
        from cli.tables import print_diagnosis

        print_diagnosis(diagnosis)
    raise typer.Exit(0 if diagnosis.able else 1)
