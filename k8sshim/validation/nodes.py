"""Rules for nodes: ranges, and taints. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.validation.field import Field


def node_problems(root: Field) -> Iterator[Problem]:
    """podCIDR and podCIDRs, taints."""
    spec = root["spec"]
    for field in (spec["podCIDR"], *spec["podCIDRs"].elements()):
        if field.text and not _is_network(field.text):
            yield field.problem(f"{field.text!r} is no network (address/prefix length)")
    for taint in spec["taints"].elements():
        if taint["key"]:
            yield from taint["key"].breaks(names.qualified_name(taint["key"].text))
        yield from taint["value"].breaks(names.label_value(taint["value"].text))
        yield from taint["effect"].one_of("NoSchedule", "PreferNoSchedule", "NoExecute")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text
