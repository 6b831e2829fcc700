"""Names, labels, ports and variables: the borders of what Kubernetes allows, and what it says beyond them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from k8sshim import names

pytestmark = pytest.mark.unit

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.dns_label, ["a", "0", "a-b", "a" * 63], ["", "A", "-a", "a-", "a.b", "a" * 64, "ä", "a\n"]),
        (names.dns_label_1035, ["a", "a-0", "a" * 63], ["", "0a", "A", "a-", "a.b", "a" * 64, "a\n"]),
        (names.dns_subdomain, ["a", "a.b-c.0", "a" * 253], ["", "a..b", ".a", "a.", "A", "a" * 254, "a b", "a\n"]),
        (names.path_segment, ["system:node", "A b", "..."], [".", "..", "a/b", "a%b"]),
        (names.port_name, ["http", "a", "80a", "a-b", "a" * 15], ["", "80", "a--b", "-a", "a-", "a" * 16, "HTTP"]),
        (
            names.qualified_name,
            ["a", "a.b/c", "A_b-1.x", "a" * 63, f"{'a' * 253}/b"],
            ["", "/", "/a", "a/", "a/b/c", "A/b", "-a", "a" * 64, f"{'a' * 254}/b", "a\n"],
        ),
        (names.label_value, ["", "a", "A_b-1.x", "a" * 63], ["-a", "a b", "a/b", "a" * 64, "a\n"]),
        (names.variable, ["a", "A b", "1-~!"], ["", "A=B", "ä", "a\n", "\x7f"]),
    ],
)
def test_borders(rule: Callable[[str], list[str]], good: list[str], bad: list[str]) -> None:
    assert [name for name in good if rule(name)] == []
    assert [name for name in bad if not rule(name)] == []


@pytest.mark.parametrize(
    ("rule", "name", "said"),
    [
        (names.dns_label, "Web", [LABEL]),
        (names.dns_label, "a.b", ["must not contain dots"]),
        (names.dns_label, "W" * 64, ["must be no more than 63 characters", LABEL]),
        (names.dns_subdomain, "Web", [SUBDOMAIN]),
        (names.dns_subdomain, "w" * 254, ["must be no more than 253 characters"]),
        (names.path_segment, "..", ["may not be '..'"]),
        (names.path_segment, "a/%", ["may not contain '/'", "may not contain '%'"]),
        (names.qualified_name, "a b", [f"name part {QUALIFIED}"]),
        (names.qualified_name, "/a", ["prefix part must be non-empty"]),
        (
            names.qualified_name,
            "A/",
            [f"prefix part {SUBDOMAIN}", *(f"name part {w}" for w in ("must be non-empty", QUALIFIED))],
        ),
        (names.qualified_name, "a" * 64, ["name part must be no more than 63 characters"]),
        (
            names.qualified_name,
            "a/b/c",
            [f"a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"],
        ),
        (names.label_value, "-", [VALUE]),
        (names.label_value, "-" * 64, ["must be no more than 63 characters", VALUE]),
        (
            names.port_name,
            "-1--2-3-4-5-6-7-8",
            [
                "must be no more than 15 characters",
                "must contain at least one letter (a-z)",
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen",
            ],
        ),
    ],
)
def test_words(rule: Callable[[str], list[str]], name: str, said: list[str]) -> None:
    assert rule(name) == said


def test_podwires_own_words_quote_the_name_and_shorten_it() -> None:
    assert names.no_dns_label("web") == ""
    assert names.no_dns_label("Web").startswith("'Web' is no DNS label")
    assert len(names.no_dns_label("w" * 10_000)) < 200
