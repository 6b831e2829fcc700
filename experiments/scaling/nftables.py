"""The rules that kube-proxy writes for Services in its nftables mode, as input of `nft -f`. Pure.

Chains and maps are those of `pkg/proxy/nftables` in Kubernetes' source, for ClusterIPs whose endpoints are all ready:
one verdict map leads from address, protocol and port to a Service port's chain, which picks an endpoint's chain by a
random number. A change is one transaction that rewrites the chains of the Service that changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from experiments.scaling.services import Endpoint, VirtualService

TABLE = "ip kube-proxy"
_MARK = "0x4000"


def whole(services: Sequence[VirtualService], pod_network: str) -> str:
    """Everything; what the table held before goes."""
    lines = [f"add table {TABLE}", f"delete table {TABLE}", f"add table {TABLE}", *_FRAME]
    for one in services:
        lines += [f"add chain {TABLE} {name}" for name in chains(one)]
    for one in services:
        lines += _rules(one, pod_network)
        lines += _elements(one)
    return "\n".join(lines) + "\n"


def change(old: VirtualService, new: VirtualService, pod_network: str) -> str:
    """One transaction when one Service's endpoints have changed."""
    before, after = chains(old), chains(new)
    lines = [f"add chain {TABLE} {name}" for name in after]
    lines += [f"flush chain {TABLE} {name}" for name in after]
    lines += _rules(new, pod_network)
    gone = [name for name in before if name not in after]
    lines += [line for name in gone for line in (f"flush chain {TABLE} {name}", f"delete chain {TABLE} {name}")]
    return "\n".join(lines) + "\n"


def count(text: str) -> int:
    """The rules and map elements of such a text."""
    return sum(line.startswith(("add rule ", "add element ")) for line in text.splitlines())


_FRAME = (
    f"add map {TABLE} service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict ; }}",
    f"add chain {TABLE} mark-for-masquerade",
    f"add rule {TABLE} mark-for-masquerade mark set mark or {_MARK}",
    f"add chain {TABLE} services",
    f"add rule {TABLE} services ip daddr . meta l4proto . th dport vmap @service-ips",
    f"add chain {TABLE} nat-prerouting {{ type nat hook prerouting priority -100 ; }}",
    f"add rule {TABLE} nat-prerouting jump services",
    f"add chain {TABLE} nat-output {{ type nat hook output priority -100 ; }}",
    f"add rule {TABLE} nat-output jump services",
    f"add chain {TABLE} masquerading",
    f"add rule {TABLE} masquerading mark and {_MARK} == 0 return",
    f"add rule {TABLE} masquerading mark set mark xor {_MARK}",
    f"add rule {TABLE} masquerading masquerade fully-random",
    f"add chain {TABLE} nat-postrouting {{ type nat hook postrouting priority 100 ; }}",
    f"add rule {TABLE} nat-postrouting jump masquerading",
)


def chains(one: VirtualService) -> list[str]:
    """The names of a Service's chains."""
    return [
        chain
        for name, _, target in one.ports
        for chain in (_service_chain(one, name), *(_endpoint_chain(one, name, to, target) for to in one.behind(name)))
    ]


def _rules(one: VirtualService, pod_network: str) -> Iterator[str]:
    for name, port, target in one.ports:
        chain = _service_chain(one, name)
        outside = f"ip daddr {one.address} tcp dport {port} ip saddr != {pod_network}"
        yield f"add rule {TABLE} {chain} {outside} jump mark-for-masquerade"
        ways = [f"{place} : goto {_endpoint_chain(one, name, to, target)}" for place, to in enumerate(one.behind(name))]
        yield f"add rule {TABLE} {chain} numgen random mod {len(ways)} vmap {{ {', '.join(ways)} }}"
        for to in one.behind(name):
            own = _endpoint_chain(one, name, to, target)
            yield f"add rule {TABLE} {own} ip saddr {to.address} jump mark-for-masquerade"
            yield f"add rule {TABLE} {own} meta l4proto tcp dnat to {to.address}:{target}"


def _elements(one: VirtualService) -> Iterator[str]:
    for name, port, _ in one.ports:
        verdict = f"{one.address} . tcp . {port} : goto {_service_chain(one, name)}"
        yield f"add element {TABLE} service-ips {{ {verdict} }}"


def _service_chain(one: VirtualService, port: str) -> str:
    return f"service-{_digest(one.name, port)}-scale/{one.name}/tcp/{port}"


def _endpoint_chain(one: VirtualService, port: str, to: Endpoint, target: int) -> str:
    where = f"{to.address}/{target}"
    return f"endpoint-{_digest(one.name, port, where)}-scale/{one.name}/tcp/{port}__{where}"


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()[:8].upper()
