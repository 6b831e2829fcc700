"""Arguments and options that several commands have, and how all print JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

LabName = Annotated[str, typer.Argument(metavar="N", help="The lab's name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sender = Annotated[
    str, typer.Argument(metavar="FROM", help="A pod (namespace/name), a node, or HOST.", show_default=False)
]
Receiver = Annotated[
    str,
    typer.Argument(
        metavar="TO[:PORT]",
        help="A pod, a node, HOST, an address, or a Service as svc/NAME or svc/NS/NAME; PORT by number or name.",
        show_default=False,
    ),
]
AskedProtocol = Annotated[
    str, typer.Option(help="TCP, UDP, SCTP or ICMP; that of the port, or ICMP without one.", show_default=False)
]


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
