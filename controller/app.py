"""The OpenFlow controller's process: follows the API, and keeps every switch as the API's objects want it.

python -m controller.app --kubeconfig FILE --listen PATH [--framework os-ken|ryu]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError

from . import framework

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(argv: list[str] | None = None) -> int:
    """Runs until it is killed; its flows stay in the switches."""
    arguments = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _serve(framework.load(arguments.framework), arguments.kubeconfig, arguments.listen)
    except PodwireError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except Exception:
        logging.exception("the controller ends")
        return 1
    return 0


def _serve(chosen: framework.Framework, kubeconfig: Path, listen: Path) -> None:
    """What is imported here uses threads and sockets, which Ryu's hub has replaced by now."""
    from .reconciler import Reconciler  # noqa: PLC0415
    from .watch import watch  # noqa: PLC0415

    reconciler = Reconciler(chosen)
    watch(kubeconfig, reconciler, chosen)
    chosen.spawn(reconciler.run)
    chosen.serve(listen, reconciler)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m controller.app", description="podwire's OpenFlow controller")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of the API server to follow")
    parser.add_argument("--listen", type=Path, required=True, help="the unix socket that switches connect to")
    parser.add_argument("--framework", choices=("os-ken", "ryu"), default="os-ken")
    return parser.parse_args(argv)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads of the framework and the informers never end by themselves
