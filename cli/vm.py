"""`podwire vm -- COMMAND...`: the command in a micro-VM with a full kernel."""

from __future__ import annotations

from typing import Annotated

import typer


def vm(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds after which the VM is ended.")] = 1800,
    memory: Annotated[int, typer.Option("--memory", help="The VM's memory in MiB.")] = 3072,
    cores: Annotated[int, typer.Option("--cores", help="The VM's cores.")] = 2,
) -> None:
    """Run COMMAND as root in a micro-VM whose kernel has Open vSwitch, netem, WireGuard and Geneve.

    It sees this machine's files. What it writes into the current folder stays, and what podwire calibrate finds; all
    else goes with the VM.
    """
    from cli.endings import as_ctrl_c
    from lab.microvm import image, machine

    as_ctrl_c()
    raise typer.Exit(machine.run(image.build(), command, timeout_s=timeout, memory_mib=memory, cores=cores))
