"""`podwire ls`: the labs that run."""

from __future__ import annotations

from cli.arguments import AsJson, print_json


def ls(as_json: AsJson = False) -> None:
    """List the labs that run, and tidy away what dead ones left."""
    from lab import state

    labs = state.labs()
    rows = []
    if labs:  # only then is a client of the API worth its start
        from lab.inventory import facts

        rows = [facts(lab) for lab in labs]
    if as_json:
        print_json(rows)
    elif not rows:
        print("no lab runs")
    else:
        from cli.tables import print_table

        print_table(("name", "state", "nodes", "pods", "pid", "kubeconfig"), rows)
