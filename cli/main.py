"""The command `podwire`: its commands by name, and how whatever goes wrong is told in a line and an exit code.

A command's file imports what the command needs when it runs, so that no command pays for another's imports.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import metadata
from typing import Annotated

import typer

from cli.apply import apply
from cli.calibrate import calibrate
from cli.compare import compare
from cli.doctor import doctor
from cli.down import down
from cli.draw import draw
from cli.exec import execute
from cli.fault import fault
from cli.kubeconfig import kubeconfig
from cli.ls import ls
from cli.matrix import matrix
from cli.policy import app as policy
from cli.report import report
from cli.run import run as run_scenario
from cli.services import services
from cli.trace import trace
from cli.up import up
from cli.vm import vm
from k8sshim.errors import BadInput, PodwireError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
_COMMANDS: dict[str, Callable[..., None]] = {
    "doctor": doctor,
    "up": up,
    "ls": ls,
    "down": down,
    "apply": apply,
    "kubeconfig": kubeconfig,
    "exec": execute,
    "matrix": matrix,
    "trace": trace,
    "services": services,
    "draw": draw,
    "fault": fault,
    "run": run_scenario,
    "report": report,
    "compare": compare,
    "calibrate": calibrate,
    "vm": vm,
}
# What follows POD belongs to the command that is run there, options too.
_SETTINGS = {"exec": {"allow_interspersed_args": False}}
for _name, _command in _COMMANDS.items():
    app.command(_name, context_settings=_SETTINGS.get(_name))(_command)
app.add_typer(policy, name="policy")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"podwire {metadata.version('podwire')}")
        raise typer.Exit


@app.callback()
def podwire(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """A laboratory for Kubernetes networking: ordinary manifests in, an emulated cluster out."""


def run(arguments: list[str]) -> int:
    """Run the command line; the exit code. Whatever goes wrong is one line a problem on stderr."""
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log is not for the user's terminal
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="podwire", standalone_mode=False)
        sys.stdout.flush()
    except PodwireError as error:
        return _complain(str(error), WRONG_USE if isinstance(error, BadInput) else FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # the last resort: no user is to see a traceback
        if format_message := getattr(error, "format_message", None):  # wrong use, as typer tells it
            return _complain(format_message(), WRONG_USE)
        return _complain(f"internal error: {_line(error)} (traceback in {_write_traceback()})", FAILED)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point."""
    sys.exit(run(sys.argv[1:]))


def _complain(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"podwire: {line}", file=sys.stderr)
    return code


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _write_traceback() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="podwire-", suffix=".log", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name


if __name__ == "__main__":
    main()
