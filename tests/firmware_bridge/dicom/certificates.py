"""Certificates for the tests of mutual TLS: an authority and what it signs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from firmware_bridge.dicom.tls import TlsFiles


@dataclass(frozen=True)
class Authority:
    """Who signs; its certificate lies in the folder as "authority.pem"."""

    folder: Path
    key: rsa.RSAPrivateKey
    name: x509.Name


def authority_files(folder: Path) -> Authority:
    """Make an authority."""
    folder.mkdir()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    authority = Authority(folder, key, name)
    certificate = _signed(authority, name, key.public_key(), is_authority=True)
    (folder / "authority.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return authority


def tls_files(authority: Authority, who: str) -> TlsFiles:
    """Make a certificate with its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])
    certificate, secret = authority.folder / f"{who}.pem", authority.folder / f"{who}.key"
    signed = _signed(authority, name, key.public_key(), is_authority=False)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TlsFiles(certificate, secret, authority.folder / "authority.pem")


def _common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _signed(authority: Authority, name: x509.Name, key: rsa.RSAPublicKey, is_authority: bool) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_common_name(name))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
