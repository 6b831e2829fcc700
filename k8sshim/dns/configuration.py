"""The configuration of `named`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

KEY_NAME = "feeder"
KEY_ALGORITHM = "hmac-sha256"
LOOPBACK = "127.0.0.1"
RECORDS_LIMIT = "max-records-per-type"  # of a name: 100 since 9.18.28; a headless Service may have more endpoints
_OPTIONS = """\
  recursion yes;
  allow-query { any; };
  allow-recursion { any; };
  allow-query-cache { any; };
  allow-transfer { none; };
  forward only;
  qname-minimization off;
  resolver-query-timeout 3000;
  dnssec-validation no;
  empty-zones-enable no;
  check-names primary ignore;
  notify no;
  max-cache-size 4M;
  max-cache-ttl 30;
  max-ncache-ttl 5;
  max-journal-size 1M;
  pid-file none;
  session-keyfile none;
  version none;
  hostname none;"""
_LOGGING = "logging { channel said { stderr; severity warning; }; category default { said; }; };"


@dataclass(frozen=True)
class Settings:
    """What one name server is to be."""

    domain: str  # without the final dot
    address: str  # where clients reach it
    zones: tuple[str, ...]  # all that it answers for itself, the domain's among them
    forwarders: tuple[str, ...]  # who is asked for everything else; without any, that is refused
    directory: str  # of the zones' files
    port: int
    secret: str  # base64; whoever has it may change records


def named_conf(settings: Settings, *, limited: bool) -> str:
    """The whole configuration file, for a `named` that has RECORDS_LIMIT, or one that does not know it."""
    forwarders = "".join(f" {address};" for address in settings.forwarders)
    lines = (
        f'key "{KEY_NAME}" {{ algorithm {KEY_ALGORITHM}; secret "{settings.secret}"; }};',
        _LOGGING,
        "controls { };",
        "options {",
        f'  directory "{settings.directory}";',
        f"  listen-on port {settings.port} {{ any; }};",
        f"  listen-on-v6 port {settings.port} {{ any; }};",
        f"  forwarders {{{forwarders} }};" if forwarders else "  forwarders { };",
        _OPTIONS if forwarders else _OPTIONS.replace("recursion yes;", "recursion no;"),
        *([f"  {RECORDS_LIMIT} 0;"] if limited else []),
        "};",
        *(_zone(zone) for zone in settings.zones),
    )
    return "\n".join((*lines, ""))


def file_of(zone: str) -> str:
    """The name of a zone's file in the directory."""
    return f"{zone}zone"


def nameservers(resolv_conf: str) -> tuple[str, ...]:
    """The name servers that a resolv.conf names, without those on loopback, which would be this one."""
    words = (line.split() for line in resolv_conf.splitlines())
    named = (line[1] for line in words if len(line) > 1 and line[0] == "nameserver")
    return tuple(dict.fromkeys(_usable(named)))


def _usable(addresses: Iterable[str]) -> Iterable[str]:
    for address in addresses:
        try:
            if not ip_address(address).is_loopback:
                yield address
        except ValueError:  # what no resolver could use either
            continue


def _zone(zone: str) -> str:
    access = f'allow-update {{ key "{KEY_NAME}"; }};'
    return f'zone "{zone}" {{ type primary; file "{file_of(zone)}"; {access} }};'
