"""Kubernetes' protobuf as bodies of requests: what Go clients send unasked becomes the object that JSON would say."""

from __future__ import annotations

import pytest

from k8sshim.server.protobuf import decode

pytestmark = pytest.mark.unit


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def body(api_version: str, kind: str, message: bytes) -> bytes:
    header = field(1, api_version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, header) + field(2, message) + field(3, b"") + field(4, b"")


METADATA = field(1, field(1, b"web") + field(2, b"") + field(8, b"") + field(11, field(1, b"a") + field(2, b"b")))


def test_a_deployment_with_its_nested_messages() -> None:
    probe = field(1, field(2, field(1, b"/up") + field(2, field(1, 1) + field(2, 0) + field(3, b"http")))) + field(2, 5)
    container = field(1, b"main") + field(2, b"x:1") + field(10, probe) + field(16, 0)
    spec = field(1, 0) + field(3, field(2, field(2, container) + field(4, 0)))
    assert decode(body("apps/v1", "Deployment", METADATA + field(2, spec))) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"a": "b"}},
        "spec": {
            "replicas": 0,
            "template": {
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "main",
                            "image": "x:1",
                            "livenessProbe": {"httpGet": {"path": "/up", "port": "http"}, "initialDelaySeconds": 5},
                        }
                    ],
                }
            },
        },
    }


def test_bytes_quantities_times_and_negative_numbers() -> None:
    secret = METADATA + field(2, field(1, b"key") + field(2, b"\x00\x01"))
    assert decode(body("v1", "Secret", secret))["data"] == {"key": "AAE="}
    quota = METADATA + field(2, field(1, field(1, b"pods") + field(2, field(1, b"10"))))
    assert decode(body("v1", "ResourceQuota", quota))["spec"] == {"hard": {"pods": "10"}}
    renewed = field(4, field(1, 1_700_000_000) + field(2, 250_000_000))
    assert decode(body("coordination.k8s.io/v1", "Lease", METADATA + field(2, renewed)))["spec"] == {
        "renewTime": "2023-11-14T22:13:20.250000Z"
    }
    assert decode(body("scheduling.k8s.io/v1", "PriorityClass", METADATA + field(2, -5)))["value"] == -5
    assert decode(body("v1", "DeleteOptions", field(1, 0)))["gracePeriodSeconds"] == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\xff",
        body("v1", "Nothing", b""),
        body("v1", "Pod", b"\x0a\x7f"),
        body("v1", "Pod", b"\x08\x01"),
        body("v1", "Pod", b"\x0a\x02\x0a\x01"),
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(data)
