"""Mutual TLS for DICOM: both sides show a certificate that the same authority signed.

Source: PS3.15 annex B.9 and B.12 (BCP 195): TLS 1.2 or later.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError, UsageError


@dataclass(frozen=True)
class TlsFiles:
    """PEM files.

    Attributes:
        certificate: own, and those between it and the root.
        key: its key, without a passphrase.
        authority: certificates that sign the other sides'.
    """

    certificate: Path
    key: Path
    authority: Path


def files_from_options(
    certificate: Path | None, key: Path | None, authority: Path | None, name: str = ""
) -> TlsFiles | None:
    """All three or none.

    Args:
        certificate: PEM file.
        key: PEM file.
        authority: PEM file.
        name: that the other side's certificate must have; "": its host.

    Raises:
        UsageError: some of them, or a name without them.
    """
    if certificate is None and key is None and authority is None and not name:
        return None
    if certificate is None or key is None or authority is None:
        raise UsageError("Mutual TLS needs three files.", "Give --tls-cert, --tls-key and --tls-ca.")
    return TlsFiles(certificate, key, authority)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Of a server that takes only peers with a certificate.

    Raises:
        InputError: a file cannot be used.
    """
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Of a client; the server's certificate must have the name, or the address, that is asked for: the authority signed
    the ward's other devices as well.

    Raises:
        InputError: a file cannot be used.
    """
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def _loaded(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        for path in (files.certificate, files.key, files.authority):
            path.open("rb").close()  # an SSLError does not say which
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
        context.load_verify_locations(files.authority)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        cure = "Give PEM files that fit each other, the key without a passphrase."
        cause = "A TLS certificate, its key or the authority's cannot be used."
        if isinstance(error, OSError) and error.filename:
            cause, cure = f"{error.filename} cannot be read: {error.strerror}.", "Correct the path or its permissions."
        raise InputError(cause, cure) from error
    return context


def _no_passphrase() -> str:
    """Keeps the TLS library from asking on the terminal."""
    raise ValueError("the key has a passphrase")
