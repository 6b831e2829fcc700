"""`podwire apply`: manifests into a lab."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.arguments import LabName


def apply(
    name: LabName,
    files: Annotated[
        list[str],
        typer.Option("--filename", "-f", help="A file or folder of manifests, or - for stdin.", show_default=False),
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="More of them.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until what was applied is ready.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait with --wait.")] = 120,
) -> None:
    """Create what FILEs describe, or change what is there to what they say."""
    from k8sshim import manifests
    from lab import lifecycle, state

    lab = state.find(name)
    documents = manifests.load([*files, *(more or ())])
    for applied in lifecycle.apply(lab, documents, wait_s=timeout if wait else None):
        print(applied, flush=True)
    for kind in manifests.not_acted_on(documents):
        print(f"stored, not acted on: {kind}", file=sys.stderr)
