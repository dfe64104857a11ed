"""Ed25519: raw keys and bytes in, signatures and yes or no out. No files, no trust: that is the keyring's.

Source: RFC 8032; the `cryptography` package does the arithmetic.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

KEY_BYTES = 32  # RFC 8032, section 5.1.5
SIGNATURE_BYTES = 64  # RFC 8032, section 5.1.6
FINGERPRINT_BYTES = 32  # SHA-256


@dataclass(frozen=True)
class SigningKey:
    """A private key in memory; its printed form does not show it.

    Attributes:
        seed: 32 bytes.
    """

    seed: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def signing_key_from_random() -> SigningKey:
    """A new key from the operating system's random source."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SigningKey(Ed25519PrivateKey.generate().private_bytes_raw())


def fingerprint_from_public(public: bytes) -> bytes:
    """SHA-256 of a public key, 32 bytes: how bundles and people name it."""
    return hashlib.sha256(public).digest()


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the owner of the public key signed exactly this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
