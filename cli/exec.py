"""`podwire exec`: a command in the network of a pod or node."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli.arguments import LabName
from k8sshim.errors import BadInput


def execute(
    name: LabName,
    place: Annotated[
        str,
        typer.Argument(
            metavar="POD|NODE|HOST",
            help="A pod (namespace/name, or a name in default), a node, or the outside host.",
            show_default=False,
        ),
    ],
    command: Annotated[
        list[str], typer.Argument(metavar="ARGV", help="The command and its arguments, after --.", show_default=False)
    ],
) -> None:
    """Run a command in the network namespace of a pod or node; its exit code is the command's."""
    from lab import inventory, sandbox, state

    lab = state.find(name)
    argv = command[1:] if command[0] == "--" else command
    if not argv:
        raise BadInput.of("no command given after --")
    where = inventory.find_place(lab, place)
    entering = sandbox.enter_argv(lab.pid, argv, netns=where.netns, etc=where.etc)
    os.execvp(entering[0], entering)  # noqa: S606 - the command is the user's own
