"""Files that this device made for itself: bytes in, the same bytes out, or why they are not this device's.

::

    offset  bytes
         0      8  magic
         8     32  HMAC-SHA256 over kind, 0 and payload, with the device's key
        40      .  payload

    HOME/private/device.mac   the key, mode 0600, made at first use; it never leaves the device

Checked before anybody parses the payload: a plan or a timing cache is a program to TensorRT. Source: RFC 2104.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from edge.errors import MachineError, TrustError
from edge.files import write_atomic
from edge.ledger import locked

MAGIC = b"\x89SEAL\r\n\x1a"  # as a bundle's: shows 7-bit and line-ending damage at the first byte
MAC_BYTES = 32  # SHA-256
HEADER_BYTES = len(MAGIC) + MAC_BYTES
KEY = re.compile(rb"[0-9a-f]{64}\n?")  # 32 bytes
MAX_BYTES = 1 << 31  # 2 GiB: a float32 plan of VMamba-B is 0.4 GiB


@dataclass(frozen=True)
class Seal:
    """This device's seal.

    Attributes:
        home: the keyring's folder.
    """

    home: Path

    def save(self, path: Path, kind: str, payload: bytes) -> None:
        """Write a sealed file that only its owner reads; the key is made if there is none.

        Args:
            path: where.
            kind: what it is; a file of one kind never passes as another.
            payload: its content.

        Raises:
            TrustError: the key is readable by others, or damaged.
            MachineError: the file cannot be written.
        """
        write_atomic(path, MAGIC + _mac(self._made_key(), kind, payload) + payload, mode=0o600)
        path.parent.chmod(0o700)

    def load(self, path: Path, kind: str) -> bytes:
        """The payload of a sealed file.

        Raises:
            TrustError: it is not what this device sealed.
            MachineError: it cannot be read.
        """
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= MAX_BYTES else b""
        except OSError as error:
            raise MachineError(f"{path} cannot be read: {error.strerror}.", "Run as the user who owns it.") from error
        key = self._key()
        mac, payload = data[len(MAGIC) : HEADER_BYTES], data[HEADER_BYTES:]
        is_ours = key is not None and hmac.compare_digest(mac, _mac(key, kind, payload))
        if not data.startswith(MAGIC) or not is_ours:
            raise TrustError(
                f"{path} was altered, or made by another device: its seal does not hold.", f"Delete it: rm {path}"
            )
        return payload

    @property
    def _file(self) -> Path:
        return self.home / "private" / "device.mac"

    def _key(self) -> bytes | None:
        """The device's key; None where none was made yet."""
        try:
            mode, digits = self._file.stat().st_mode, self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MachineError(f"{self._file} cannot be read: {error.strerror}.", "Run as its owner.") from error
        if mode & 0o077:
            raise TrustError(
                f"{self._file} is readable by other users.",
                f"Delete it and {self.home / 'plans'}, then build the plans again.",
            )
        if not KEY.fullmatch(digits):
            raise TrustError(f"{self._file} is damaged.", "Delete it, then build the plans again.")
        return bytes.fromhex(digits.decode())

    def _made_key(self) -> bytes:
        with locked(self.home):
            key = self._key()
            if key is None:
                key = secrets.token_bytes(MAC_BYTES)
                write_atomic(self._file, key.hex().encode() + b"\n", mode=0o600)
                self._file.parent.chmod(0o700)
        return key


def _mac(key: bytes, kind: str, payload: bytes) -> bytes:
    digest = hmac.new(key, kind.encode() + b"\0", hashlib.sha256)
    digest.update(payload)
    return digest.digest()
