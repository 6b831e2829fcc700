"""What Kubernetes lets things be called: objects, labels, label values, ports.

Each function returns what is wrong in words that follow a field's name ("'Web' is no DNS label: ..."), or "" where
all is well. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/. Pure.
"""

from __future__ import annotations

import re

_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_MAX_SUBDOMAIN = 253


def dns_label(name: object) -> str:
    """RFC 1123 label: namespaces, containers, named ports of Services."""
    if isinstance(name, str) and _LABEL.fullmatch(name):
        return ""
    return f"{_quoted(name)} is no DNS label (up to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit)"


def dns_label_1035(name: object) -> str:
    """RFC 1035 label: Services, whose names may not start with a digit."""
    if isinstance(name, str) and _LABEL_1035.fullmatch(name):
        return ""
    return (
        f"{_quoted(name)} is no DNS label (up to 63 of a-z, 0-9 and '-', starting with a letter, not ending with '-')"
    )


def dns_subdomain(name: object) -> str:
    """RFC 1123 subdomain: most objects."""
    if isinstance(name, str) and len(name) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(name):
        return ""
    return (
        f"{_quoted(name)} is no DNS name (up to {_MAX_SUBDOMAIN} of a-z, 0-9, '-' and '.', "
        "starting and ending with a letter or digit)"
    )


def path_segment(name: object) -> str:
    """What a name must be to stand in a URL: the kinds of rbac.authorization.k8s.io ask no more than that."""
    if isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "%" not in name:
        return ""
    return f"{_quoted(name)} is no name (neither '.' nor '..', without '/' and '%')"


def port_name(name: object) -> str:
    """IANA service name (RFC 6335): named ports of containers."""
    if isinstance(name, str) and _PORT_NAME.fullmatch(name):
        return ""
    return f"{_quoted(name)} is no port name (up to 15 of a-z, 0-9 and single '-', with at least one letter)"


def label_key(key: object) -> str:
    """A label's or annotation's key: an optional DNS prefix and '/', then a name of up to 63 characters."""
    prefix, slash, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
    if (not slash or not dns_subdomain(prefix)) and _QUALIFIED.fullmatch(name):
        return ""
    return f"{_quoted(key)} is no label key ([prefix/]name, the name of up to 63 letters, digits, '-', '_' and '.')"


def label_value(value: object) -> str:
    """A label's value, which may be empty."""
    if isinstance(value, str) and (not value or _QUALIFIED.fullmatch(value)):
        return ""
    return f"{_quoted(value)} is no label value (up to 63 letters, digits, '-', '_' and '.')"


def _quoted(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:60]}...' ({len(str(name))} characters)"
