"""Encryption at rest: patients' names, keys, events and images as AES-256-GCM, off unless it is asked for.

::

    HOME/private/exams.key    the key, 32 bytes in hexadecimal, mode 0600; whoever loses it loses the exams

    offset  bytes
         0     12  nonce, random for every record
        12      .  ciphertext, then the tag of 16 bytes

Associated data = table, exam, sequence: a record moved to another place does not open. Random nonces of 96 bits allow
2^32 records a key (NIST SP 800-38D, 8.3): at one event a second that is 136 years. What lies in the clear: the ids,
codes, times and digests of the audit chain, and the number and size of records.

In: bytes and their place. Out: the sealed bytes, or the bytes again, or why not.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import MachineError, TrustError
from edge.files import sha256_from_bytes, write_atomic
from edge.ledger import locked

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # the length GCM is specified for
KEY = re.compile(rb"[0-9a-f]{64}\n?")
ID_DIGITS = 16  # of the key's SHA-256: tells keys apart and tells nothing of the key


@dataclass(frozen=True)
class Place:
    """Where a record lies: no other place opens it.

    Attributes:
        table: of the store.
        exam: its UUID.
        sequence: of the event within the exam; 0 for the exam itself.
    """

    table: str
    exam: str
    sequence: int

    @property
    def associated(self) -> bytes:
        """The associated data of the cipher."""
        return f"{self.table}\0{self.exam}\0{self.sequence}".encode()


@dataclass(frozen=True)
class Vault:
    """The key of this device's exams; `key` never shows in a log.

    Attributes:
        key: 32 bytes.
    """

    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """What the store remembers of the key."""
        return sha256_from_bytes(b"vmamba-edge exams\0" + self.key)[:ID_DIGITS]

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Encrypt one record for one place."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, plain, place.associated)

    def open(self, sealed: bytes, place: Place) -> bytes:
        """Decrypt one record.

        Raises:
            TrustError: it was altered, moved, or sealed with another key.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self.key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.associated)
        except (InvalidTag, ValueError) as error:
            raise TrustError(
                f"Record {place.sequence} of exam {place.exam} ({place.table}) was altered: it does not decrypt.",
                "Restore the store's backup.",
            ) from error


def key_file(home: Path) -> Path:
    """Where the key of the exams lies."""
    return home / "private" / "exams.key"


def load_vault(home: Path) -> Vault | None:
    """The device's vault; None where no key was made.

    Args:
        home: the keyring's folder.

    Raises:
        TrustError: the key is readable by others, or damaged.
        MachineError: it cannot be read.
    """
    path = key_file(home)
    try:
        mode, digits = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MachineError(f"{path} cannot be read: {error.strerror}.", "Run as its owner.") from error
    if mode & 0o077:
        raise TrustError(f"{path} is readable by other users.", f"If nobody else read it: chmod 600 {path}.")
    if not KEY.fullmatch(digits):
        raise TrustError(f"{path} is damaged.", "Restore it from its backup: no other key opens the exams.")
    return Vault(bytes.fromhex(digits.decode()))


def made_vault(home: Path) -> Vault:
    """The device's vault; its key is made if there is none. Keep a copy of the key where no thief of the cart finds it.

    Raises:
        TrustError: the key is readable by others, or damaged.
        MachineError: the folder cannot be written.
    """
    with locked(home):
        vault = load_vault(home)
        if vault is None:
            vault = Vault(secrets.token_bytes(KEY_BYTES))
            write_atomic(key_file(home), vault.key.hex().encode() + b"\n", mode=0o600)
            key_file(home).parent.chmod(0o700)
    return vault


def lost_key(key_id: str) -> TrustError:
    """The error of an encrypted store whose key is not here."""
    return TrustError(
        f"The exams are encrypted and their key {key_id} is not on this device: they cannot be read.",
        "Put the backup of exams.key into HOME/private; without it the exams can only be deleted.",
    )
