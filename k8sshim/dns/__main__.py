"""Cluster DNS as a process: `python -m k8sshim.dns`. In a pod it finds the API and its credentials by itself."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from k8sshim.client import Client
from k8sshim.cluster import DOMAIN
from k8sshim.dns import configuration, named, readiness
from k8sshim.dns.configuration import Settings
from k8sshim.dns.feeder import Feeder
from k8sshim.dns.zones import reverse_zones
from k8sshim.errors import BadInput, PodwireError

_API_S = 60.0
_LAME_DUCK_S = 1.0  # asked to end, it still answers for that long: who asks may not have heard of it yet


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until asked to end; exit code 2 for bad input."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        _serve(options)
    except PodwireError as error:
        print(f"podwire dns: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    return 0


def _serve(options: argparse.Namespace) -> None:
    settings = _settings(options)
    client = Client(options.kubeconfig)
    feeder = Feeder(client, settings)
    readiness.serve(options.readiness_port, feeder.ready)
    signal.signal(signal.SIGTERM, lambda *_: threading.Timer(_LAME_DUCK_S, _quit, [feeder]).start())
    client.wait_until_ready(_API_S)
    feeder.run()


def _quit(feeder: Feeder) -> None:
    feeder.end()
    os._exit(0)


def _settings(options: argparse.Namespace) -> Settings:
    forwarders = tuple(options.forward) or configuration.nameservers(_text_of(options.resolv_conf))
    domain = options.domain.rstrip(".").lower()
    return Settings(
        domain=domain,
        address=str(options.address),
        zones=(f"{domain}.", *_reverse_zones(options.reverse)),
        forwarders=forwarders,
        directory=str(options.directory),
        port=options.port,
        secret=named.new_secret(),
    )


def _reverse_zones(cidrs: Sequence[str]) -> tuple[str, ...]:
    try:
        return reverse_zones(cidrs)
    except ValueError as error:
        raise BadInput.of(str(error), field="--reverse") from error


def _text_of(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise BadInput.of(error.strerror or "cannot be read", file=str(file)) from error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m k8sshim.dns", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="the API (default: that of the pod it runs in)")
    parser.add_argument("--address", type=ip_address, required=True, help="where clients reach it: its Service's")
    parser.add_argument("--domain", default=DOMAIN, help="the cluster's domain (default: %(default)s)")
    parser.add_argument(
        "--reverse", action="append", default=[], metavar="CIDR", help="a range whose addresses it knows"
    )
    parser.add_argument("--forward", action="append", default=[], metavar="ADDRESS", help="who knows other names")
    parser.add_argument(
        "--resolv-conf",
        type=Path,
        default=Path("/etc/resolv.conf"),
        metavar="FILE",
        help="says who knows other names, where --forward does not (default: %(default)s)",
    )
    parser.add_argument(
        "--directory", type=Path, default=Path("/var/cache/bind"), help="of named (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--readiness-port", type=int, default=8181)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
