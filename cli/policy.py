"""`podwire policy`: what policies allow, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.arguments import AsJson, AskedProtocol, LabName, Receiver, Sender, print_json
from cli.policy_log import log
from cli.policy_ls import list_policies

app = typer.Typer(no_args_is_help=True, help="Ask what policies allow, and why.")


@app.command()
def explain(
    name: LabName,
    source: Sender,
    target: Receiver,
    protocol: AskedProtocol = "",
    as_json: AsJson = False,
) -> None:
    """Name the rules, peers and ports that let a connection pass, or what isolates it, at each of its ends."""
    from experiments.policy import explaining, stored
    from k8sshim.client import Client
    from lab import state
    from lab.tracing import packet
    from lab.tracing.network import Network

    client = Client(state.find(name).kubeconfig)
    network = Network.of(client)
    asked = packet.packet(network, source, target, protocol=protocol)
    told = explaining.explain(network, asked, stored.objects(client))
    if as_json:
        print_json(told.raw())
    else:
        print("\n".join(told.lines()))


@app.command()
def lint(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files or folders, or - for stdin.", show_default=False)
    ],
    select: Annotated[
        list[str] | None, typer.Option("--select", metavar="CHECK", help="Make this check only.", show_default=False)
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CHECK", help="Leave this check out.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Warn of what people get wrong in policies, from files alone; the exit code is 1 where something is found."""
    from experiments.policy import linting
    from k8sshim import manifests

    checks = linting.chosen(select or (), ignore or ())
    linted = linting.lint(manifests.load(files), checks)
    if as_json:
        print_json([finding.raw for finding in linted.findings])
    else:
        read = "1 policy" if linted.policies == 1 else f"{linted.policies} policies"
        print("\n".join(map(str, linted.findings)) or f"nothing found in {read}")
    if linted.findings:
        raise typer.Exit(1)


app.command("ls")(list_policies)
app.command("log")(log)
