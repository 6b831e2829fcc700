"""`podwire kubeconfig`: where a lab's kubeconfig is."""

from __future__ import annotations

from cli.arguments import LabName


def kubeconfig(name: LabName) -> None:
    """Print the path of the lab's kubeconfig, for kubectl and any other client."""
    from lab import state

    print(state.find(name).kubeconfig)
