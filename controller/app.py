"""The OpenFlow controller's process: follows the API, and keeps every switch as the API's objects want it.

python -m controller.app --kubeconfig FILE --listen PATH [--switches FOLDER] [--denials FILE] [--framework os-ken|ryu]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError

from . import framework

MOST_LOGGED = 16 * 2**20  # bytes of lines about denied connections
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(argv: list[str] | None = None) -> int:
    """Runs until it is killed; its flows stay in the switches."""
    arguments = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _serve(framework.load(arguments.framework), arguments)
    except PodwireError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except Exception:
        logging.exception("the controller ends")
        return 1
    return 0


def _serve(chosen: framework.Framework, given: argparse.Namespace) -> None:
    """What is imported here uses threads and sockets, which Ryu's hub has replaced by now."""
    from .datapaths import Datapaths  # noqa: PLC0415
    from .reconciler import Reconciler  # noqa: PLC0415
    from .watch import watch  # noqa: PLC0415

    datapaths = Datapaths(given.switches, chosen) if given.switches else None
    denied = _lines_in(given.denials) if given.denials else None
    reconciler = Reconciler(chosen, denied, datapaths=datapaths)
    watch(given.kubeconfig, reconciler, chosen)
    chosen.spawn(lambda: deciding(reconciler.run))
    chosen.serve(given.listen, reconciler)


def _lines_in(path: Path) -> Callable[[str], object]:
    """Whoever is called with a line writes it there; a long file becomes `PATH.1`, and what was that is gone."""
    lines = logging.getLogger("denials")
    lines.propagate = False
    lines.addHandler(RotatingFileHandler(path, maxBytes=MOST_LOGGED, backupCount=1))
    return lines.info


def deciding(run: Callable[[], object]) -> None:
    """Without the thread that decides the process is of no use: whoever keeps it starts it again."""
    try:
        run()
    except BaseException:
        logging.exception("the controller ends")
        sys.stderr.flush()
        os._exit(1)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m controller.app", description="podwire's OpenFlow controller")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of the API server to follow")
    parser.add_argument("--listen", type=Path, required=True, help="the unix socket that switches connect to")
    parser.add_argument("--switches", type=Path, help="the folder in which each Open vSwitch has its control socket's")
    parser.add_argument("--denials", type=Path, help="the file for lines about connections that policies deny")
    parser.add_argument("--framework", choices=("os-ken", "ryu"), default="os-ken")
    return parser.parse_args(argv)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads of the framework and the informers never end by themselves
