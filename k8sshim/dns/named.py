"""BIND's `named` as a child: configured, started, asked, sent changes, ended."""

from __future__ import annotations

import base64
import secrets
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from k8sshim.dns import zones
from k8sshim.dns.configuration import KEY_ALGORITHM, KEY_NAME, LOOPBACK, RECORDS_LIMIT, Settings, file_of, named_conf
from k8sshim.dns.ledger import Changes
from k8sshim.dns.records import TXT, Record
from k8sshim.errors import PodwireError

PROGRAM = "/usr/sbin/named"
_CONFIGURATION = "named.conf"
_START_S, _ASK_S, _UPDATE_S = 10.0, 1.0, 5.0
_LOOK_S = 0.005
_BATCH = 300  # records of one update: a message holds 64 KiB
_END_S = 2.0
_FAILURES = (dns.exception.DNSException, OSError, EOFError)  # of an exchange; EOFError: it ended amid an answer


class NamedError(PodwireError):
    """`named` does not start, or does not take a change."""


def new_secret() -> str:
    """A key for updates, known to this process and its child alone."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Named:
    """One run of the name server, which ends with this process."""

    def __init__(self, settings: Settings, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._settings = settings
        self._key = dns.tsig.Key(KEY_NAME, settings.secret, KEY_ALGORITHM)

    @classmethod
    def start(cls, settings: Settings, records: Iterable[Record]) -> Named:
        """Start it with these records. Only the thread that lives as long as the process may call this."""
        _configure(settings, records)
        return cls(settings, subprocess.Popen(_argv(settings), stdin=subprocess.DEVNULL))

    def wait_until_answering(self) -> None:
        """Raises NamedError where it ends, or is too late."""
        deadline = time.monotonic() + _START_S
        while not self.answers(_LOOK_S * 4):
            if self.process.poll() is not None:
                raise NamedError(f"named ended with exit code {self.process.returncode} as it started")
            if time.monotonic() > deadline:
                raise NamedError(f"named does not answer {_START_S:g} s after its start")
            time.sleep(_LOOK_S)

    def answers(self, timeout_s: float = _ASK_S) -> bool:
        """Whether it answers a question over UDP."""
        question = dns.message.make_query(f"dns-version.{self._settings.domain}.", TXT)
        try:
            answer = dns.query.udp(question, LOOPBACK, timeout_s, self._settings.port)
        except _FAILURES:
            return False
        return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)

    def send(self, changes: Changes) -> None:
        """Bring its records up to date; a change of up to a few hundred is one step. Raises NamedError."""
        for zone, removed, added in _by_zone(changes, self._settings.zones):
            steps = [*((False, one) for one in removed), *((True, one) for one in added)]
            for begin in range(0, len(steps), _BATCH):
                self._update(zone, steps[begin : begin + _BATCH])

    def end(self) -> None:
        """End it, and wait for that."""
        self.process.terminate()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _update(self, zone: str, steps: Sequence[tuple[bool, Record]]) -> None:
        update = dns.update.UpdateMessage(zone, keyring=self._key)
        for adds, one in steps:
            if adds:
                update.add(one.name, zones.TTL_S, one.kind, one.data)
            else:
                update.delete(one.name, one.kind, one.data)
        try:
            answer = dns.query.tcp(update, LOOPBACK, _UPDATE_S, self._settings.port)
        except _FAILURES as error:
            raise NamedError(f"named takes no change of {zone}: {error or type(error).__name__}") from error
        if answer.rcode() != dns.rcode.NOERROR:
            raise NamedError(f"named refuses a change of {zone}: {dns.rcode.to_text(answer.rcode())}")


def _configure(settings: Settings, records: Iterable[Record]) -> None:
    """Write its configuration, and every record into its zone's file."""
    folder = Path(settings.directory)
    folder.mkdir(parents=True, exist_ok=True)
    for journal in folder.glob("*.jnl"):  # of a run before
        journal.unlink()
    of_zone: dict[str, list[Record]] = {zone: [] for zone in settings.zones}
    for record in records:
        if zone := zones.zone_of(record.name, of_zone):
            of_zone[zone].append(record)
    for zone, its in of_zone.items():
        (folder / file_of(zone)).write_text(zones.zone_file(zone, settings.domain, settings.address, its))
    configuration = folder / _CONFIGURATION
    configuration.touch(0o600)
    configuration.write_text(named_conf(settings, limited=_limited()))


@cache
def _limited() -> bool:
    """Whether this `named` limits the records of a name: its built-in defaults tell."""
    defaults = subprocess.run([PROGRAM, "-C"], capture_output=True, text=True, check=False, timeout=_START_S)
    return RECORDS_LIMIT in defaults.stdout


def _argv(settings: Settings) -> list[str]:
    """It dies with the thread that starts it: no server outlives who keeps it right."""
    configuration = str(Path(settings.directory) / _CONFIGURATION)
    return ["setpriv", "--pdeathsig", "KILL", PROGRAM, "-f", "-n", "1", "-c", configuration]


def _by_zone(changes: Changes, served: Sequence[str]) -> Iterator[tuple[str, list[Record], list[Record]]]:
    """What concerns each zone; records of no zone are nobody's to serve."""
    parts: defaultdict[str, tuple[list[Record], list[Record]]] = defaultdict(lambda: ([], []))
    for index, records in enumerate((changes.removed, changes.added)):
        for record in records:
            if zone := zones.zone_of(record.name, served):
                parts[zone][index].append(record)
    for zone, (removed, added) in parts.items():
        yield zone, removed, added
