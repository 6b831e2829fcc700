"""The rules that a host firewall in the manner of kube-router holds for policies, as input of its programs. Pure.

Chains, sets and their order are those of `pkg/controllers/netpol` in cloudnativelabs/kube-router, for IPv4, ingress and
ports by number: a chain KUBE-POD-FW a pod, which traffic of the pod is sent through and which goes through the chain
KUBE-NWPLCY of each policy about the pod; sets KUBE-DST of a policy's pods and KUBE-SRC of a rule's peers. A mark says
that some policy allows. As kube-router does, every change writes all sets and all rules.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.policy_scaling.policies import Label, PlannedPolicy, Workload

_ALLOWED, _PASSED = "0x10000/0x10000", "0x20000/0x20000"
_TOP = {"INPUT": "KUBE-ROUTER-INPUT", "FORWARD": "KUBE-ROUTER-FORWARD", "OUTPUT": "KUBE-ROUTER-OUTPUT"}
_COMMON, _DEFAULT, _TAIL = "KUBE-NWPLCY-COMMON", "KUBE-NWPLCY-DEFAULT", "KUBE-NWPLCY-TAIL"
_HASH_LENGTH = 16
_OPTIONS = {
    "hash:ip": "hash:ip family inet hashsize 1024 maxelem 65536 timeout 0",
    "hash:net": "hash:net family inet hashsize 1024 maxelem 65536 timeout 0",
}


@dataclass(frozen=True)
class AddressSet:
    """One ipset."""

    name: str
    type: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Firewall:
    """Everything that the host holds."""

    sets: tuple[AddressSet, ...]
    rules: str  # input of iptables-restore, which replaces the table

    @property
    def restore(self) -> str:
        """Input of `ipset restore -exist`: each set is filled aside and swapped in."""
        lines = list[str]()
        aside = {kind: f"TMP-{_digest('tmp:' + options)}" for kind, options in _OPTIONS.items()}
        used = [kind for kind in _OPTIONS if any(one.type == kind for one in self.sets)]
        lines += [line for kind in used for line in (f"create {aside[kind]} {_OPTIONS[kind]}", f"flush {aside[kind]}")]
        for one in self.sets:
            spare = aside[one.type]
            lines += [f"add {spare} {member} timeout 0" for member in one.members]
            lines += [f"create {one.name} {_OPTIONS[one.type]}", f"swap {spare} {one.name}", f"flush {spare}"]
        lines += [f"destroy {aside[kind]}" for kind in used]
        return "\n".join(lines) + "\n"

    @property
    def entries(self) -> int:
        """Rules, and members of sets."""
        return sum(line.startswith("-A ") for line in self.rules.splitlines()) + sum(
            len(one.members) for one in self.sets
        )


def firewall(policies: Sequence[PlannedPolicy], pods: Sequence[Workload]) -> Firewall:
    """What the host of all these pods holds for these policies."""
    chains = [*_TOP.values(), _COMMON, _DEFAULT, _TAIL]
    chains += [_policy_chain(one) for one in policies] + [_pod_chain(pod) for pod in pods]
    rules = [
        *(f'-A {top} -m comment --comment "kube-router netpol" -j {own}' for top, own in _TOP.items()),
        *_FRAME,
        *(rule for one in policies for rule in _policy_rules(one)),
        *(rule for pod in pods for rule in _pod_rules(pod, [one for one in policies if one.subject in pod.labels])),
        *_last(),
    ]
    table = ["*filter", *(f":{top} ACCEPT [0:0]" for top in _TOP), *(f":{chain} - [0:0]" for chain in chains)]
    sets = tuple(made for one in policies for made in _sets(one, pods))
    return Firewall(sets, "\n".join([*table, *rules, "COMMIT"]) + "\n")


EMPTY = "*filter\nCOMMIT\n"

_FRAME = (
    f"-A {_DEFAULT} -m comment --comment "
    f'"rule to mark traffic matching a network policy" -j MARK --set-xmark {_ALLOWED}',
    f'-A {_COMMON} -m comment --comment "rule to drop invalid state for pod" -m conntrack --ctstate INVALID -j DROP',
    f'-A {_COMMON} -m comment --comment "rule for stateful firewall for pod"'
    " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    *(
        f'-A {_COMMON} -m comment --comment "allow icmp {kind} messages" -p icmp --icmp-type {kind} -j ACCEPT'
        for kind in ("echo-request", "destination-unreachable", "time-exceeded")
    ),
    f'-A {_TAIL} -m comment --comment "accept netpol-ok" -m mark --mark {_PASSED} -j ACCEPT',
)


def _last() -> Iterator[str]:
    for chain in _TOP.values():
        said = "rule to explicitly handle traffic for network policies ACCEPT/REJECT decision"
        yield f'-A {chain} -m comment --comment "{said}" -j {_TAIL}'
        said = "rule to explicitly ACCEPT traffic that comply to network policies"
        yield f'-A {chain} -m comment --comment "{said}" -m mark --mark {_PASSED} -j ACCEPT'


def _policy_rules(one: PlannedPolicy) -> Iterator[str]:
    sources = [("ingress pods", _set_name("SRC", one, "pod"))] if one.groups else []
    sources += [("ingress cidr", _set_name("SRC", one, "ipblock"))] if one.blocks else []
    for kind, source in sources:
        for port in one.ports:
            match = (
                f'-A {_policy_chain(one)} -m comment --comment "scale/{one.name} {kind}"'
                f" -m set --match-set {source} src -m set --match-set {_set_name('DST', one)} dst"
                f" -p tcp --dport {port}"
            )
            yield f"{match} -j MARK --set-xmark {_ALLOWED}"
            yield f"{match} -m mark --mark {_ALLOWED} -j RETURN"


def _sets(one: PlannedPolicy, pods: Sequence[Workload]) -> Iterator[AddressSet]:
    yield AddressSet(_set_name("DST", one), "hash:ip", _addresses([one.subject], pods))
    if one.groups:
        yield AddressSet(_set_name("SRC", one, "pod"), "hash:ip", _addresses(one.groups, pods))
    if one.blocks:
        yield AddressSet(_set_name("SRC", one, "ipblock"), "hash:net", one.blocks)


def _pod_rules(pod: Workload, policies: Sequence[PlannedPolicy]) -> Iterator[str]:
    """The pod's chain, in the order that kube-router's insertions at its top come to, and the ways into it."""
    chain, ip = _pod_chain(pod), pod.address
    yield f'-A {chain} -m comment --comment "common netpol rules" -j {_COMMON}'
    local = "-m addrtype --src-type LOCAL"
    yield f'-A {chain} -m comment --comment "from local node" {local} -d {ip} -j ACCEPT'
    yield f'-A {chain} -s {ip} -m comment --comment "default egress" -j {_DEFAULT}'
    if not policies:
        yield f'-A {chain} -d {ip} -m comment --comment "default ingress" -j {_DEFAULT}'
    for one in reversed(policies):
        yield f'-A {chain} -d {ip} -m comment --comment "scale/{one.name} policy" -j {_policy_chain(one)}'
    for way, top in (("d", "FORWARD"), ("d", "OUTPUT"), ("s", "INPUT"), ("s", "FORWARD"), ("s", "OUTPUT")):
        said = f'-m comment --comment "scale/{pod.name} {"in" if way == "d" else "out"}"'
        yield f"-A {_TOP[top]} {said} -{way} {ip} -j {chain}"
        if top == "FORWARD":
            yield f"-A {_TOP[top]} -m physdev --physdev-is-bridged {said} -{way} {ip} -j {chain}"
    unmarked = f"-m mark ! --mark {_ALLOWED}"
    limit = "-m limit --limit 10/minute --limit-burst 10"
    yield f'-A {chain} -m comment --comment "scale/{pod.name} log-drop" {unmarked} {limit} -j NFLOG --nflog-group 100'
    yield f'-A {chain} -m comment --comment "scale/{pod.name} reject" {unmarked} -j REJECT'
    yield f"-A {chain} -j MARK --set-mark 0/0x10000"
    yield f'-A {chain} -m comment --comment "set netpol-ok mark" -j MARK --set-mark {_PASSED}'


def _addresses(labels: Sequence[Label], pods: Sequence[Workload]) -> tuple[str, ...]:
    return tuple(pod.address for pod in pods if any(label in pod.labels for label in labels))


def _policy_chain(one: PlannedPolicy) -> str:
    return f"KUBE-NWPLCY-{_digest(one.name)}"


def _pod_chain(pod: Workload) -> str:
    return f"KUBE-POD-FW-{_digest(pod.name)}"


def _set_name(kind: str, one: PlannedPolicy, part: str = "") -> str:
    return f"KUBE-{kind}-{_digest(one.name, part)}"


def _digest(*words: str) -> str:
    return base64.b32encode(hashlib.sha256("/".join(("scale", *words)).encode()).digest()).decode()[:_HASH_LENGTH]
