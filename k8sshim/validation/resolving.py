"""Rules for how a pod resolves names: dnsPolicy, dnsConfig, hostAliases. Pure.

Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/. What they say is written into the
pod's files, so nothing may break out of its line there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.validation.addresses import address_problems
from k8sshim.validation.field import Field

_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_SEARCH_CHARACTERS = 2048
_WORD = re.compile(r"[!-~]+")


def resolving_problems(spec: Field) -> Iterator[Problem]:
    yield from spec["dnsPolicy"].one_of("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
    config = spec["dnsConfig"]
    if spec["dnsPolicy"].text == "None":
        yield from _own_server_problems(config)
    yield from _server_problems(config["nameservers"])
    yield from _search_problems(config["searches"])
    for option in config["options"].elements():
        yield from _option_problems(option)
    for alias in spec["hostAliases"].elements():
        yield from address_problems(alias["ip"])
        for name in alias["hostnames"].elements():
            yield from name.breaks(names.dns_subdomain(name.text))


def _own_server_problems(config: Field) -> Iterator[Problem]:
    """A pod that wants no server of others' needs one of its own."""
    if not config:
        yield config.required("must provide `dnsConfig` when `dnsPolicy` is None")
    elif not config["nameservers"].value:
        yield config["nameservers"].required("must provide at least one DNS nameserver when `dnsPolicy` is None")


def _server_problems(servers: Field) -> Iterator[Problem]:
    if len(list(servers.elements())) > _MAX_NAMESERVERS:
        yield servers.invalid(f"must not have more than {_MAX_NAMESERVERS} nameservers")
    for server in servers.elements():
        yield from address_problems(server)


def _search_problems(searches: Field) -> Iterator[Problem]:
    domains = list(searches.elements())
    if len(domains) > _MAX_SEARCHES:
        yield searches.invalid(f"must not have more than {_MAX_SEARCHES} search paths")
    if len(" ".join(domain.text for domain in domains)) > _MAX_SEARCH_CHARACTERS:
        limit = f"must not have more than {_MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield searches.invalid(limit)
    for domain in (one for one in domains if one.text != "."):
        plain = domain.text.removesuffix(".").replace("_", "x")  # which may stand here, says Kubernetes 1.34
        yield from domain.breaks(names.dns_subdomain(plain))


def _option_problems(option: Field) -> Iterator[Problem]:
    name, value = option["name"], option["value"]
    if not name.text:
        yield option.required("must not be empty")
    for part in (name, value):
        if part.text and not _WORD.fullmatch(part.text):
            yield part.invalid("must be one word of printable ASCII")
