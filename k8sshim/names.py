"""What Kubernetes lets things be called (objects, labels, ports, variables), and what it says of a name that is none.

Each rule returns a sentence for everything that it finds wrong, and nothing where all is well. Rules and words are
those of k8s.io/apimachinery (pkg/util/validation, pkg/api/validation/path). Pure.
"""

from __future__ import annotations

import re

DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{DNS_LABEL}')"
)
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035}')"
)
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{DNS_SUBDOMAIN}')"
)
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_PREFIXED_WORDS = (
    f"a qualified name {_QUALIFIED_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_LABEL_VALUE = f"({_QUALIFIED})?"
_LABEL_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)
_VARIABLE_WORDS = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def dns_label(name: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, volumes."""
    found = _too_long(name, 63)
    if _matches(DNS_LABEL, name):
        return found
    return [*found, "must not contain dots" if _matches(DNS_SUBDOMAIN, name) else _LABEL_WORDS]


def dns_label_1035(name: str) -> list[str]:
    """RFC 1035 label: Services, whose names may not start with a digit."""
    return _limited(name, 63, _LABEL_1035, _LABEL_1035_WORDS)


def dns_subdomain(name: str) -> list[str]:
    """RFC 1123 subdomain: most objects."""
    return _limited(name, 253, DNS_SUBDOMAIN, _SUBDOMAIN_WORDS)


def path_segment(name: str) -> list[str]:
    """What a name must be to stand in a URL: the kinds of rbac.authorization.k8s.io ask no more than that."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def qualified_name(name: str) -> list[str]:
    """An optional DNS prefix and '/', then a name: keys of labels, classes of load balancers, application protocols."""
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        return [_PREFIXED_WORDS]
    found = [f"prefix part {words}" for words in dns_subdomain(prefix)] if prefix else []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    if not last:
        found.append("name part must be non-empty")
    return [*found, *(f"name part {words}" for words in _limited(last, 63, _QUALIFIED, _QUALIFIED_WORDS))]


def label_value(value: str) -> list[str]:
    """What a label may be, which may be nothing."""
    return _limited(value, 63, _LABEL_VALUE, _LABEL_VALUE_WORDS)


def port_name(name: str) -> list[str]:
    """IANA service name (RFC 6335): named ports of containers."""
    found = _too_long(name, 15)
    if not _matches("[-a-z0-9]+", name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def variable(name: str) -> list[str]:
    """The name of a variable of a container's environment."""
    return [] if _matches("[ -<>-~]+", name) else [_VARIABLE_WORDS]


def no_dns_label(name: str) -> str:
    """podwire's own short words, for names that Kubernetes never hears (of labs, of scenarios); "" for an RFC 1123
    label."""
    if not dns_label(name):
        return ""
    shown = repr(name) if len(name) <= 80 else f"{name[:60]!r}... ({len(name)} characters)"
    return f"{shown} is no DNS label (up to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit)"


def _limited(name: str, most: int, pattern: str, words: str) -> list[str]:
    return [*_too_long(name, most), *([] if _matches(pattern, name) else [words])]


def _too_long(name: str, most: int) -> list[str]:
    return [f"must be no more than {most} characters"] if len(name) > most else []


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name) is not None
