"""`podwire up`: brings a lab up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsJson, print_json
from cli.endings import as_ctrl_c


def up(
    cluster: Annotated[
        Path | None, typer.Argument(metavar="CLUSTER.yaml", help="The cluster's description; three nodes without it.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The lab's name; else the cluster's own.")] = "",
    manifest: Annotated[
        list[str] | None, typer.Option("--manifest", "-f", help="A file or folder of manifests, or - for stdin.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for nodes and pods.")] = 120,
    as_json: AsJson = False,
) -> None:
    """Bring a lab up, wait until its pods are ready, and return; the lab stays."""
    from cli.progress import showing_steps
    from k8sshim import manifests
    from lab import description, lifecycle

    described = description.load(cluster)
    documents = manifests.load(manifest or [])
    as_ctrl_c()  # a lab half up is taken down
    with showing_steps() as progress:
        lab = lifecycle.up(described, name or described.name, documents, timeout, progress, file=str(cluster or ""))
    for kind in manifests.not_acted_on(documents):
        print(f"stored, not acted on: {kind}", file=sys.stderr)
    if as_json:
        print_json({"name": lab.name, "kubeconfig": str(lab.kubeconfig)})
        return
    print(f"name        {lab.name}\nkubeconfig  {lab.kubeconfig}")
    print(f"next: export KUBECONFIG={lab.kubeconfig}; kubectl get pods -A", file=sys.stderr)
    print(
        f"      podwire services {lab.name}; podwire trace {lab.name} POD svc/NS/NAME; podwire matrix {lab.name}\n"
        f"      podwire exec {lab.name} POD -- ip addr; podwire down {lab.name}",
        file=sys.stderr,
    )
