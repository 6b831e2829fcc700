"""Names, labels and ports: the borders of what Kubernetes allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from k8sshim import names

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.dns_label, ["a", "0", "a-b", "a" * 63], ["", "A", "-a", "a-", "a.b", "a" * 64, "ä", "a\n", 5, None]),
        (names.dns_label_1035, ["a", "a-0", "a" * 63], ["", "0a", "A", "a-", "a.b", "a" * 64, "a\n"]),
        (names.dns_subdomain, ["a", "a.b-c.0", "a" * 253], ["", "a..b", ".a", "a.", "A", "a" * 254, "a b", "a\n"]),
        (names.path_segment, ["system:node", "A b", "..."], ["", ".", "..", "a/b", "a%b", None]),
        (names.port_name, ["http", "a", "80a", "a-b", "a" * 15], ["", "80", "a--b", "-a", "a-", "a" * 16, "HTTP"]),
        (names.label_key, ["a", "a.b/c", "A_b-1.x", "a" * 63], ["", "/a", "a/", "a/b/c", "A/b", "-a", "a" * 64, "a\n"]),
        (names.label_value, ["", "a", "A_b-1.x", "a" * 63], ["-a", "a b", "a/b", "a" * 64, "a\n", 5, None]),
    ],
)
def test_borders(rule: Callable[[object], str], good: list[object], bad: list[object]) -> None:
    assert [name for name in good if rule(name)] == []
    assert [name for name in bad if not rule(name)] == []


def test_message_quotes_the_name_and_shortens_it() -> None:
    assert names.dns_label("Web").startswith("'Web' is no DNS label")
    assert len(names.dns_subdomain("w" * 10_000)) < 200
