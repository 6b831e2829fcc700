"""What Kubernetes says of a name that is none, each rule broken in words of its own (apimachinery, util/validation).

`names` knows the rules; here is the wording that a client of the API gets to read. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035}')"
)
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
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


def _limited(name: str, most: int, pattern: str, words: str) -> Iterator[str]:
    if len(name) > most:
        yield f"must be no more than {most} bytes"
    if not re.fullmatch(pattern, name):
        yield words


def dns_label(name: str) -> Iterator[str]:
    """RFC 1123 label."""
    return _limited(name, 63, _LABEL, _LABEL_WORDS)


def dns_label_1035(name: str) -> Iterator[str]:
    """RFC 1035 label: Services, whose names may not start with a digit."""
    return _limited(name, 63, _LABEL_1035, _LABEL_1035_WORDS)


def dns_subdomain(name: str) -> Iterator[str]:
    """RFC 1123 subdomain."""
    return _limited(name, 253, _SUBDOMAIN, _SUBDOMAIN_WORDS)


def path_segment(name: str) -> Iterator[str]:
    """What a name must be to stand in a URL."""
    if name in (".", ".."):
        yield f"may not be '{name}'"
    for character in "/%":
        if character in name:
            yield f"may not contain '{character}'"


def qualified_name(name: str) -> Iterator[str]:
    """An optional DNS prefix and '/', then a name: keys of labels, classes of load balancers, application protocols."""
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        yield _PREFIXED_WORDS
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {words}" for words in dns_subdomain(prefix))
    if not last:
        yield "name part must be non-empty"
    yield from (f"name part {words}" for words in _limited(last, 63, _QUALIFIED, _QUALIFIED_WORDS))


def label_value(value: str) -> Iterator[str]:
    """What a label may be, which may be nothing."""
    return _limited(value, 63, _LABEL_VALUE, _LABEL_VALUE_WORDS)


def port_name(name: str) -> Iterator[str]:
    """IANA service name (RFC 6335)."""
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not re.fullmatch("[-a-z0-9]+", name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name.startswith("-") or name.endswith("-"):
        yield "must not begin or end with a hyphen"
