"""The rules that kube-proxy writes for Services in its iptables mode, as input of iptables-restore. Pure.

Chains and rules are those of `pkg/proxy/iptables` in Kubernetes' source, for ClusterIPs whose endpoints are all ready:
one rule a Service port in KUBE-SERVICES, which packets go through from the top; a chain KUBE-SVC a port, which picks
an endpoint by chance; a chain KUBE-SEP an endpoint, which translates. As kube-proxy does, a change writes the chains
of the Service that changed and KUBE-SERVICES, not all the others.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence

from experiments.scaling.services import Endpoint, VirtualService

MASQUERADE_MARK = "0x4000/0x4000"
_HASH_LENGTH = 16


def whole(services: Sequence[VirtualService], pod_network: str) -> str:
    """Everything, for a namespace without rules of its own."""
    chains = [":KUBE-SERVICES - [0:0]", ":KUBE-POSTROUTING - [0:0]", ":KUBE-MARK-MASQ - [0:0]"]
    rules = [
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        f"-A KUBE-POSTROUTING -m mark ! --mark {MASQUERADE_MARK} -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        f"-A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE_MARK.partition('/')[0]}",
        *_services(services),
    ]
    for one in services:
        own_chains, own_rules = _service(one, pod_network)
        chains, rules = chains + own_chains, rules + own_rules
    nat = ["*nat", *chains, *rules, "COMMIT"]
    return "\n".join([*_FILTER, *nat]) + "\n"


def change(services: Sequence[VirtualService], old: VirtualService, new: VirtualService, pod_network: str) -> str:
    """What kube-proxy writes, without flushing the rest, when one Service's endpoints have changed."""
    chains, rules = _service(new, pod_network)
    gone = [f":{name} - [0:0]" for name in _endpoint_chains(old) if name not in _endpoint_chains(new)]
    deleted = [f"-X {line.split()[0][1:]}" for line in gone]
    top = [":KUBE-SERVICES - [0:0]", *_services(services)]
    return "\n".join(["*nat", top[0], *chains, *gone, *top[1:], *rules, *deleted, "COMMIT"]) + "\n"


def count(text: str) -> int:
    """The rules of such a text."""
    return sum(line.startswith("-A ") for line in text.splitlines())


_FILTER = (
    "*filter",
    ":KUBE-FORWARD - [0:0]",
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    f'-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark {MASQUERADE_MARK} -j ACCEPT',
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule"'
    " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "COMMIT",
)


def _services(services: Sequence[VirtualService]) -> Iterator[str]:
    for one in services:
        for name, port, _ in one.ports:
            comment = f'-m comment --comment "scale/{one.name}:{name} cluster IP"'
            where = f"-m tcp -p tcp -d {one.address} --dport {port}"
            yield f"-A KUBE-SERVICES {comment} {where} -j {_service_chain(one, name)}"


def _service(one: VirtualService, pod_network: str) -> tuple[list[str], list[str]]:
    """Chains and rules of one Service."""
    chains, rules = list[str](), list[str]()
    for name, port, target in one.ports:
        chain = _service_chain(one, name)
        chains.append(f":{chain} - [0:0]")
        comment = f'-m comment --comment "scale/{one.name}:{name}"'
        where = f"-m tcp -p tcp -d {one.address} --dport {port}"
        rules.append(f"-A {chain} {comment} {where} ! -s {pod_network} -j KUBE-MARK-MASQ")
        endpoints = one.behind(name)
        for place, to in enumerate(endpoints):
            left = len(endpoints) - place
            chance = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
            rules.append(f"-A {chain} {comment}{chance} -j {_endpoint_chain(one, name, to, target)}")
        for to in endpoints:
            own = _endpoint_chain(one, name, to, target)
            chains.append(f":{own} - [0:0]")
            rules.append(f"-A {own} {comment} -s {to.address} -j KUBE-MARK-MASQ")
            rules.append(f"-A {own} {comment} -m tcp -p tcp -j DNAT --to-destination {to.address}:{target}")
    return chains, rules


def _endpoint_chains(one: VirtualService) -> list[str]:
    return [_endpoint_chain(one, name, to, target) for name, _, target in one.ports for to in one.behind(name)]


def _service_chain(one: VirtualService, port: str) -> str:
    return f"KUBE-SVC-{_digest(one.name, port)}"


def _endpoint_chain(one: VirtualService, port: str, to: Endpoint, target: int) -> str:
    return f"KUBE-SEP-{_digest(one.name, port, to.address, str(target))}"


def _digest(*words: str) -> str:
    return base64.b32encode(hashlib.sha256("/".join(words).encode()).digest()).decode()[:_HASH_LENGTH]
