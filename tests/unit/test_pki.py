"""The lab's certificates: for whom they are good, who may read them, what a kubeconfig holds."""

from __future__ import annotations

import base64
import stat
from datetime import datetime, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from k8sshim import credentials, pki

pytestmark = pytest.mark.unit

NOW = datetime(2024, 5, 6, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cidrs = ["10.96.0.0/16", "fd00:96::/112"]
    pki.create(tmp_path / "pki", service_cidrs=cidrs, now=NOW, control_plane=["172.30.0.254"], domain="lab.test")
    return tmp_path / "pki"


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def test_nobody_else_can_read_the_files(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {
        *("ca.crt", "ca.key", "server.crt", "server.key", "client.crt", "client.key", "sa.key", "token"),
    }


def test_the_server_is_known_by_every_name_it_has(folder: Path) -> None:
    server = certificate(folder, credentials.SERVER_CERTIFICATE)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.lab.test",
    ]
    expected = ["127.0.0.1", "::1", "172.30.0.254", "10.96.0.1", "fd00:96::1"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(text) for text in expected]


def test_both_certificates_are_the_authoritys(folder: Path) -> None:
    authority = certificate(folder, credentials.CA_CERTIFICATE)
    for name in (credentials.SERVER_CERTIFICATE, credentials.CLIENT_CERTIFICATE):
        certificate(folder, name).verify_directly_issued_by(authority)
    client = certificate(folder, credentials.CLIENT_CERTIFICATE).subject
    assert client.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"


def test_two_labs_share_nothing(folder: Path, tmp_path: Path) -> None:
    pki.create(tmp_path / "other", service_cidrs=["10.96.0.0/16"], now=NOW)
    assert (folder / credentials.TOKEN).read_text() != (tmp_path / "other" / credentials.TOKEN).read_text()
    with pytest.raises(InvalidSignature):
        certificate(tmp_path / "other", credentials.SERVER_CERTIFICATE).verify_directly_issued_by(
            certificate(folder, credentials.CA_CERTIFICATE)
        )


def test_a_kubeconfig_holds_all_that_is_needed(folder: Path) -> None:
    config = yaml.safe_load(pki.kubeconfig(folder, "https://127.0.0.1:6443", "lab"))
    assert config["current-context"] == "lab"
    assert config["contexts"] == [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}]
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == (folder / credentials.CA_CERTIFICATE).read_bytes()
    assert user["token"] == (folder / credentials.TOKEN).read_text()
    assert base64.b64decode(user["client-key-data"]) == (folder / credentials.CLIENT_KEY).read_bytes()
