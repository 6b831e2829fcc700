"""The lab's own certificate authority, and the credentials by which its API is reached.

Made anew for every lab: nothing in here is worth more than the lab itself, but nobody else on the machine may use it,
so every file is its owner's alone. Elliptic-curve keys, because a lab must be ready in seconds.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from k8sshim.cluster import DOMAIN
from k8sshim.credentials import (
    CA_CERTIFICATE,
    CA_KEY,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    SERVER_CERTIFICATE,
    SERVER_KEY,
    SERVICE_ACCOUNT_KEY,
    TOKEN,
)

_VALID = timedelta(days=3650)
_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)


@dataclass(frozen=True)
class _Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def create(
    folder: Path,
    *,
    service_cidrs: Sequence[str],
    now: datetime,
    control_plane: Sequence[str] = (),
    domain: str = DOMAIN,
) -> None:
    """Write certificates, keys and token into `folder` (mode 0700, files 0600).

    The server certificate is good for the loopback addresses, the control plane's, the names of the Service
    `kubernetes` in the cluster's domain, and the first address of each of `service_cidrs`, which that Service gets.
    `now` carries its time zone.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _authority(now)
    first = [ipaddress.ip_network(cidr)[1] for cidr in service_cidrs]
    addresses = [*map(ipaddress.ip_address, ("127.0.0.1", "::1", *control_plane)), *first]
    names = [*map(x509.DNSName, (*_SERVER_NAMES, f"{_SERVER_NAMES[-1]}.{domain}")), *map(x509.IPAddress, addresses)]
    server = _signed(authority, "kube-apiserver", now, ExtendedKeyUsageOID.SERVER_AUTH, names=names)
    client = _signed(authority, "podwire-admin", now, ExtendedKeyUsageOID.CLIENT_AUTH, organization="system:masters")
    _write(folder / CA_CERTIFICATE, _certificate_pem(authority))
    _write(folder / CA_KEY, _key_pem(authority.key))
    _write(folder / SERVER_CERTIFICATE, _certificate_pem(server))
    _write(folder / SERVER_KEY, _key_pem(server.key))
    _write(folder / CLIENT_CERTIFICATE, _certificate_pem(client))
    _write(folder / CLIENT_KEY, _key_pem(client.key))
    _write(folder / SERVICE_ACCOUNT_KEY, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    _write(folder / TOKEN, secrets.token_urlsafe(32).encode())


def token_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The key by which tokens of ServiceAccounts are signed."""
    key = serialization.load_pem_private_key((folder / SERVICE_ACCOUNT_KEY).read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), f"{SERVICE_ACCOUNT_KEY} is of another kind than was written"
    return key


def kubeconfig(folder: Path, server: str, name: str) -> str:
    """A kubeconfig for the server at that URL, everything embedded; cluster, user and context are called `name`."""
    user = {
        "token": (folder / TOKEN).read_text(),
        "client-certificate-data": _base64(folder / CLIENT_CERTIFICATE),
        "client-key-data": _base64(folder / CLIENT_KEY),
    }
    cluster = {"server": server, "certificate-authority-data": _base64(folder / CA_CERTIFICATE)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _authority(now: datetime) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("podwire-ca")
    usage = _key_usage(signs_certificates=True)
    builder = (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _Identity(builder.sign(key, hashes.SHA256()), key)


def _signed(
    authority: _Identity,
    common_name: str,
    now: datetime,
    purpose: x509.ObjectIdentifier,
    *,
    organization: str = "",
    names: Sequence[x509.GeneralName] = (),
) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(common_name, organization), authority.certificate.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _Identity(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a virtual machine's clock may lag behind its host's
        .not_valid_after(now + _VALID)
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(identity: _Identity) -> bytes:
    return identity.certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """A file that nobody else can open, not even between its creation and its content."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
