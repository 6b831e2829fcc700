"""How a pod resolves names: the text of its resolv.conf, hosts and hostname, by kubelet's rules. Pure.

Rules: "DNS for Services and Pods" and "Adding entries to Pod /etc/hosts with HostAliases" of the Kubernetes
documentation; limits and the order of merging as kubelet has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network

from k8sshim.cluster import DNS_NUMBER, OUTSIDE, Cluster
from k8sshim.objects import Raw

MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048
CLUSTER_OPTIONS = ("ndots:5",)
_API_NUMBER = 1  # of the service range's addresses: that of the Service `kubernetes`
_LONGEST_LABEL = 63
_LOCAL_NAMES = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


@dataclass(frozen=True)
class Resolver:
    """What a resolv.conf says."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # "NAME" or "NAME:VALUE"

    def text(self) -> str:
        """The file, as a container runtime writes it."""
        lines = [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"nameserver {address}" for address in self.nameservers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Neighbourhood:
    """What the cluster gives to every pod's names."""

    domain: str
    cluster_dns: str  # the Service kube-dns
    api: str  # the Service kubernetes
    node_resolver: Resolver
    node_hosts: str  # the nodes' own /etc/hosts


@dataclass(frozen=True)
class PodNames:
    """What a pod's spec says about names."""

    hostname: str  # spec.hostname, or the pod's name
    subdomain: str
    fqdn_as_hostname: bool
    policy: str
    config: Resolver
    aliases: tuple[tuple[str, tuple[str, ...]], ...]  # address, its names


def parse(name: str, spec: Raw) -> PodNames:
    """The view of a pod's `spec`."""
    config = spec.get("dnsConfig") or {}
    options = tuple(_option(one["name"], one.get("value")) for one in config.get("options") or ())
    resolver = Resolver(tuple(config.get("nameservers") or ()), tuple(config.get("searches") or ()), options)
    return PodNames(
        hostname=(spec.get("hostname") or name)[:_LONGEST_LABEL].rstrip("-."),
        subdomain=spec.get("subdomain") or "",
        fqdn_as_hostname=bool(spec.get("setHostnameAsFQDN")),
        policy=spec.get("dnsPolicy") or "ClusterFirst",
        config=resolver,
        aliases=tuple((one["ip"], tuple(one.get("hostnames") or ())) for one in spec.get("hostAliases") or ()),
    )


def neighbourhood(cluster: Cluster, nodes: Iterable[tuple[str, str]]) -> Neighbourhood:
    """The names of a cluster; `nodes` are pairs of address and name."""
    outside = cluster.host(OUTSIDE)
    services = ip_network(cluster.service_cidrs[0])
    return Neighbourhood(
        domain=cluster.domain,
        cluster_dns=str(services[DNS_NUMBER]),
        api=str(services[_API_NUMBER]),
        node_resolver=Resolver(outside.addresses[:1] if outside else ()),
        node_hosts=_LOCAL_NAMES + "".join(f"{address}\t{name}\n" for address, name in nodes),
    )


def resolver(names: PodNames, namespace: str, around: Neighbourhood, *, host_network: bool) -> Resolver:
    """A pod's resolv.conf: by its dnsPolicy, then its dnsConfig on top, within the limits."""
    return _within_limits(_merged(_by_policy(names, namespace, around, host_network=host_network), names.config))


def domain_name(names: PodNames, namespace: str, around: Neighbourhood) -> str:
    """The pod's fully qualified name; "" where it has no subdomain."""
    return f"{names.hostname}.{names.subdomain}.{namespace}.svc.{around.domain}" if names.subdomain else ""


def hostname(names: PodNames, namespace: str, around: Neighbourhood) -> str:
    """What the pod's own programs are told of its name (not that of a hostNetwork pod, which has its node's)."""
    return (domain_name(names, namespace, around) if names.fqdn_as_hostname else "") or names.hostname


def hosts(names: PodNames, namespace: str, around: Neighbourhood, addresses: Sequence[str]) -> str:
    """A pod's /etc/hosts; no addresses for a hostNetwork pod."""
    if not addresses:
        return f"# Kubernetes-managed hosts file (host network).\n{around.node_hosts}{_alias_lines(names)}"
    known_as = [name for name in (domain_name(names, namespace, around), names.hostname) if name]
    own = "".join("\t".join((address, *known_as)) + "\n" for address in addresses)
    return f"# Kubernetes-managed hosts file.\n{_LOCAL_NAMES}{own}{_alias_lines(names)}"


def _alias_lines(names: PodNames) -> str:
    lines = ["\t".join((address, *of_address)) + "\n" for address, of_address in names.aliases]
    return "".join(("\n# Entries added by HostAliases.\n", *lines)) if lines else ""


def _by_policy(names: PodNames, namespace: str, around: Neighbourhood, *, host_network: bool) -> Resolver:
    if names.policy == "None":
        return Resolver()
    if names.policy == "Default" or (names.policy == "ClusterFirst" and host_network):
        return around.node_resolver
    searches = (f"{namespace}.svc.{around.domain}", f"svc.{around.domain}", around.domain)
    return Resolver((around.cluster_dns,), searches + around.node_resolver.searches, CLUSTER_OPTIONS)


def _merged(base: Resolver, config: Resolver) -> Resolver:
    options = {option.partition(":")[0]: option for option in (*base.options, *config.options)}
    return Resolver(
        tuple(dict.fromkeys((*base.nameservers, *config.nameservers))),
        tuple(dict.fromkeys((*base.searches, *config.searches))),
        tuple(options.values()),
    )


def _within_limits(one: Resolver) -> Resolver:
    searches = one.searches[:MAX_SEARCHES]
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches = searches[:-1]
    return replace(one, nameservers=one.nameservers[:MAX_NAMESERVERS], searches=searches)


def _option(name: str, value: str | None) -> str:
    return name if value in (None, "") else f"{name}:{value}"
