"""`python -m k8sshim.server`: the API server's process."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from k8sshim.cluster import NODE_PORTS
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Raw
from k8sshim.server.process import serve
from k8sshim.validation.field import MAX_PORT


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again once it has shut down
    try:
        sockets = [*map(_listen, arguments.listen), *(socket.socket(fileno=fd) for fd in arguments.listen_fd)]
        if not sockets:
            raise BadInput.of("--listen or --listen-fd is needed")
        for each in sockets:
            # Accepted sockets inherit it. Without it an answer's second segment waits 40 ms for the client's
            # acknowledgement, and asyncio sets it only where the socket was made with IPPROTO_TCP.
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve(
            store=arguments.store,
            credentials=arguments.pki,
            service_cidrs=arguments.service_cidr,
            bootstrap=_bootstrap(arguments.bootstrap),
            sockets=sockets,
            node_ports=_port_range(arguments.node_ports),
            rbac=arguments.rbac,
        )
    except (PodwireError, OSError) as error:
        print(f"podwire: API server: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m k8sshim.server", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, metavar="FILE", help="SQLite file with the objects")
    parser.add_argument("--pki", type=Path, required=True, metavar="DIR", help="certificates and token (k8sshim.pki)")
    parser.add_argument("--service-cidr", action="append", required=True, metavar="CIDR", help="one an address family")
    parser.add_argument("--node-ports", default="-".join(map(str, NODE_PORTS)), metavar="FIRST-LAST")
    parser.add_argument("--rbac", action="store_true", help="users may do what Roles and their bindings say, no more")
    parser.add_argument("--bootstrap", type=Path, metavar="FILE", help="JSON list of objects to create when absent")
    parser.add_argument("--listen", action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--listen-fd", action="append", default=[], type=int, metavar="N", help="inherited socket")
    return parser


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():  # an empty host would be every address of the machine
        raise BadInput.of(f"is {address!r}, expected HOST:PORT", field="--listen")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=512)


def _port_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not last.isdecimal() or not 0 < int(first) <= int(last) <= MAX_PORT:
        raise BadInput.of(f"is {text!r}, expected FIRST-LAST within 1-{MAX_PORT}", field="--node-ports")
    return int(first), int(last)


def _bootstrap(path: Path | None) -> list[Raw]:
    if path is None:
        return []
    try:
        objects = json.loads(path.read_text())
    except ValueError as error:
        raise BadInput.of(f"is no JSON: {error}", file=str(path)) from error
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise BadInput.of("is no list of objects", file=str(path))
    return objects


if __name__ == "__main__":
    sys.exit(main())
