"""A real API server, the feeder with its name server on port 53, and a DNS server of the outside, inside a sandbox."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dns.flags
import dns.message
import dns.query
import dns.rcode
import psutil
from api_process import ROOT, ApiProcess

from k8sshim.objects import Raw
from lab.outside_dns import dnsmasq_argv

SERVER, OUTSIDE = "127.0.0.1", "127.0.0.2"
NAMES = {"www.example.com": "203.0.113.80", "host.outside.test": "203.0.113.2"}
T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float = 20.0) -> T:
    """The condition's value once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(0.01)
    return value


class DnsWorld:
    """What a cluster's DNS consists of, without the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api = ApiProcess(folder)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.feeder: psutil.Process | None = None

    def start(self) -> None:
        self.api.start()
        self._spawn("outside", dnsmasq_argv(NAMES, "--bind-interfaces", f"--listen-address={OUTSIDE}"))
        self.start_feeder()

    def start_feeder(self) -> None:
        argv = [sys.executable, "-m", "k8sshim.dns", "--kubeconfig", str(self.api.kubeconfig), "--forward", OUTSIDE]
        argv += ["--directory", str(self.folder / "named"), "--reverse", "10.96.0.0/16", "--reverse", "10.244.0.0/16"]
        argv += ["--address", "10.96.0.10"]
        self.feeder = psutil.Process(self._spawn("feeder", argv).pid)
        wait_until(self.ready)

    def ready(self) -> bool:
        connection = http.client.HTTPConnection(SERVER, 8181, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def named(self) -> psutil.Process | None:
        assert self.feeder is not None
        found = [one for one in self.feeder.children() if one.name() == "named"]
        return found[0] if found else None

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.api.close()

    def put(self, plural: str, raw: Raw, *, group: str = "api/v1") -> None:
        """Create an object of the namespace default."""
        self.api.ok("POST", f"/{group}/namespaces/default/{plural}", raw)

    def path(self, plural: str, name: str, *, group: str = "api/v1") -> str:
        return f"/{group}/namespaces/default/{plural}/{name}"

    def log(self, name: str = "feeder") -> str:
        return (self.folder / f"{name}.log").read_text()

    def _spawn(self, name: str, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
        self._processes.append(process)
        return process


def ask(name: str, kind: str = "A", *, tcp: bool = False) -> dns.message.Message:
    """What the server answers."""
    question = dns.message.make_query(name, kind)
    exchange: Any = dns.query.tcp if tcp else dns.query.udp
    answer: dns.message.Message = exchange(question, SERVER, timeout=5)
    return answer


def answers(name: str, kind: str = "A", *, tcp: bool = False) -> list[str]:
    """The answer's records as `KIND data`, in order; the code's name alone where it is another than NOERROR."""
    answer = ask(name, kind, tcp=tcp)
    if answer.rcode() != dns.rcode.NOERROR:
        return [dns.rcode.to_text(answer.rcode())]
    kinds = [(dns.rdatatype.to_text(rrset.rdtype), rrset) for rrset in answer.answer]
    return sorted(f"{text} {record.to_text()}" for text, rrset in kinds for record in rrset)
