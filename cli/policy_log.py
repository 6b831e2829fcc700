"""`podwire policy log`: the connections that policies have denied."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.arguments import LabName


def log(
    name: LabName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with each as it comes, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(metavar="TIME", help="Only of the last 90s, 5m, 1h30m.")] = "",
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Begin with the last K; all without it.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Tell the connections that policies have denied: who asked whom, on which side it was denied, and by what."""
    from datetime import datetime, timezone

    from lab import components, state
    from lab.tracing import denied

    path = components.denials(state.find(name).folder)
    first = denied.moment(datetime.now(timezone.utc) - denied.duration(since)) if since else ""
    try:
        for one in denied.following(path, tail=tail, since=first, follow=follow):
            _print(one, as_json)
    except KeyboardInterrupt:
        if not follow:
            raise


def _print(denial: dict[str, Any], as_json: bool) -> None:
    from lab.tracing import denied

    if as_json:
        print(json.dumps(denial, ensure_ascii=False), flush=True)
        return
    if left_out := denied.left_out(denial):
        print(left_out)
    print(denied.words(denial), flush=True)
