"""What podwire wants of a machine: each feature, what is lost without it, how to get it, and how to try it out. Data.

Features are tried, not guessed: `in_sandbox` commands run in a throw-away sandbox and change nothing on the machine.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

_INSTALL = "apt-get install"
_KERNEL = "a kernel with the module {0} (a distribution's stock kernel has it), or: podwire vm -- podwire up"


@dataclass(frozen=True)
class Feature:
    """A thing to look for; it is there if `argv` exits with 0."""

    name: str
    argv: tuple[str, ...]
    cost: str  # what is lost without it
    remedy: str
    in_sandbox: bool = False
    required: bool = False  # no lab can run without it
    shows: bool = False  # the first line that `argv` prints is the detail


def _program(name: str, package: str, cost: str, *version: str, required: bool = False) -> Feature:
    argv = (name, *(version or ("--version",)))
    return Feature(name, argv, cost, f"{_INSTALL} {package}", required=required, shows=True)


def _kernel(name: str, module: str, cost: str, *argv: str) -> Feature:
    return Feature(name, argv, cost, _KERNEL.format(module), in_sandbox=True)


_LINK = ("ip", "link", "add", "probe", "type")

FEATURES: tuple[Feature, ...] = (
    Feature(
        "user namespaces",
        ("unshare", "--user", "--map-root-user", "true"),
        "labs can be run by root alone",
        "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000; "
        "on Ubuntu 24.04 also kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    Feature(
        "sandbox namespaces",
        ("true",),
        "no lab can run",
        "run podwire as root, or where user, network, mount and PID namespaces may be made",
        in_sandbox=True,
        required=True,
    ),
    Feature(
        "processors shared by process",
        ("sh", "-c", "! grep -qsx 1 /proc/sys/kernel/sched_autogroup_enabled"),
        "sessions share processors evenly (autogroup): beside busy ones a lab's switches may stand still for seconds",
        "sysctl -w kernel.sched_autogroup_enabled=0",
    ),
    Feature(
        "/dev/net/tun",
        (sys.executable, "-c", "import os; os.close(os.open('/dev/net/tun', os.O_RDWR))"),
        "no lab can run: the userspace datapath makes its ports with it",
        "modprobe tun; chmod 0666 /dev/net/tun",
        required=True,
    ),
    _program("ovs-vswitchd", "openvswitch-switch", "no lab can run: there are no switches", required=True),
    Feature(
        "Open vSwitch userspace datapath",
        (sys.executable, "-m", "lab.tryout"),
        "no lab can run where the kernel has no openvswitch module either",
        f"{_INSTALL} openvswitch-switch",
        in_sandbox=True,
        required=True,
    ),
    _kernel(
        "Open vSwitch kernel datapath",
        "openvswitch",
        "labs use the userspace datapath, which takes more of the processor",
        *("ovs-dpctl", "add-dp", "probe"),
    ),
    Feature(
        "mnexec",
        ("mnexec", "true"),
        "no lab can run: Mininet starts hosts with it",
        f"{_INSTALL} mininet",
        required=True,
    ),
    _kernel(
        "netem",
        "sch_netem",
        "links cannot have delay, jitter or loss",
        *("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"),
    ),
    _kernel(
        "HTB",
        "sch_htb",
        "links cannot have a bandwidth",
        *("tc", "qdisc", "add", "dev", "lo", "root", "htb", "default", "1"),
    ),
    _kernel("VXLAN", "vxlan", "no VXLAN overlay", *_LINK, "vxlan", "id", "1", "dstport", "4789"),
    _kernel("Geneve", "geneve", "no Geneve overlay", *_LINK, "geneve", "id", "1", "remote", "192.0.2.1"),
    _kernel(
        "GRE", "ip_gre", "no GRE overlay", *_LINK, "gretap", "local", "192.0.2.2", "remote", "192.0.2.1", "key", "1"
    ),
    _kernel("IPIP", "ipip", "no IPIP overlay", *_LINK, "ipip", "local", "192.0.2.2"),
    _kernel("WireGuard", "wireguard", "no encrypted overlay", *_LINK, "wireguard"),
    Feature(
        "bubblewrap",
        ("bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "true"),
        "containers' own commands do not run, kube-dns' neither; images' stand-ins do",
        f"{_INSTALL} bubblewrap",
        in_sandbox=True,
    ),
    _program("named", "bind9", "no cluster DNS: labs get ready with dns.replicas 0 alone", "-v"),
    _program("dnsmasq", "dnsmasq-base", "no DNS server outside: only names of the cluster are known"),
    Feature(
        "SCTP",
        (sys.executable, "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)"),
        "stand-ins do not answer on SCTP ports",
        _KERNEL.format("sctp"),
        in_sandbox=True,
    ),
    _program("kubectl", "kubernetes-client", "podwire apply instead of kubectl", "version", "--client"),
    _program("iperf3", "iperf3", "no throughput experiment"),
    _program("irtt", "irtt", "no throughput experiment: it measures latency", "version"),
    _program("nft", "nftables", "no peer by nftables in service-scale"),
    _program("iptables-restore", "iptables", "no peer by iptables in service-scale and policy-scale"),
    _program("ipset", "ipset", "no peer in policy-scale"),
    _kernel("IP sets", "ip_set", "no peer in policy-scale", "ipset", "create", "probe", "hash:ip"),
    Feature("curl", ("curl", "--version"), "no HTTP client in pods, nodes and HOST", f"{_INSTALL} curl"),
    _program("dig", "bind9-dnsutils", "no DNS client in pods, nodes and HOST", "-v"),
    _program("ping", "iputils-ping", "no ping from pods", "-V"),
    _program("tcpdump", "tcpdump", "no overhead in mtu, overlay and self-check"),
    _program("ethtool", "ethtool", "segmentation offload cannot be switched in pods and tunnels"),
    _program("nsenter", "util-linux", "no lab can run", required=True),
    _program("unshare", "util-linux", "no lab can run", required=True),
    _program("ip", "iproute2", "no lab can run", "-V", required=True),
    _program("qemu-system-x86_64", "qemu-system-x86", "no podwire vm"),
)
LIBRARIES = ("mininet", "os-ken", "pyroute2", "lightkube", "kubernetes-validate", "starlette", "uvicorn", "matplotlib")
