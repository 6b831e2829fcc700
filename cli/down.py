"""`podwire down`: the end of labs."""

from __future__ import annotations

from typing import Annotated

import typer

from k8sshim.errors import BadInput


def down(
    names: Annotated[list[str] | None, typer.Argument(metavar="N", help="The labs' names.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every lab that runs.")] = False,
) -> None:
    """Take labs down; nothing of them stays."""
    from lab import ending, state

    if bool(names) == every:
        raise BadInput.of("name the labs to take down, or give --all")
    labs = state.labs() if every else [state.find(name) for name in names or ()]
    for lab in labs:
        ending.down(lab)
        print(f"{lab.name} is down")
