"""The device's trust: which keys may sign bundles, and the private keys made here.

::

    HOME/keys.json            names, public keys, trusted or revoked
    HOME/private/NAME.key     seeds of keys made here, mode 0600
    HOME/releases.json        anti-rollback counters, see edge/releases.py

In: the folder, and the fingerprint a bundle names. Out: the trusted public key, or why there is none.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import TrustError, UsageError
from edge.files import write_atomic
from edge.ledger import load_record, locked, save_record
from edge.signature import SigningKey, fingerprint_from_public, signing_key_from_random

KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # becomes a file name
HEX_KEY = re.compile(r"[0-9a-f]{64}")  # 32 bytes
FINGERPRINT_PREFIX = 8  # digits; fewer are too easily shared by two keys
DEVELOPMENT = "development"
PUBLIC_PREFIX = "vmamba-edge-ed25519"  # first word of a public key's one-line text form


@dataclass(frozen=True)
class Key:
    """One public key and what this device thinks of it.

    Attributes:
        name: unique on this device.
        public: hexadecimal, 32 bytes.
        state: "trusted" or "revoked"; a revoked key never becomes trusted again.
        development: made by this machine for its own builds, never for release.
    """

    name: str
    public: str
    state: str
    development: bool

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the public key."""
        return fingerprint_from_public(bytes.fromhex(self.public)).hex()

    @property
    def text(self) -> str:
        """The one-line form in which the public key travels."""
        return f"{PUBLIC_PREFIX} {self.public} {self.name}"


@dataclass(frozen=True)
class Keys:
    """What keys.json holds, in the order in which the keys were added."""

    keys: tuple[Key, ...]


def home_from_environment(environment: Mapping[str, str]) -> Path:
    """Where the keyring lies: VMAMBA_EDGE_HOME, else vmamba-edge below XDG_CONFIG_HOME or ~/.config."""
    if own := environment.get("VMAMBA_EDGE_HOME"):
        return Path(own)
    config = environment.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "vmamba-edge"


def public_from_text(text: str) -> tuple[str, str]:
    """Public key (hexadecimal) and name from the one-line form.

    Raises:
        UsageError: it is none.
    """
    words = text.split()
    if len(words) != 3 or words[0] != PUBLIC_PREFIX or not HEX_KEY.fullmatch(words[1]):
        raise UsageError(
            "This is no public key of vmamba-edge.",
            f"Give the line that `edge key new` printed: {PUBLIC_PREFIX} HEX NAME.",
        )
    return words[1], words[2]


@dataclass(frozen=True)
class Keyring:
    """The keys of one folder, which need not exist yet.

    Attributes:
        home: the folder.
    """

    home: Path

    def keys(self) -> tuple[Key, ...]:
        """All keys, in the order in which they were added.

        Raises:
            TrustError: the record is damaged.
            MachineError: it cannot be read.
        """
        keys = load_record(self._file, Keys(())).keys
        if not all(HEX_KEY.fullmatch(key.public) for key in keys):
            raise TrustError(
                f"{self._file} is damaged: it holds a key that is none.",
                "Restore it from a backup, or delete it and trust the keys again.",
            )
        return keys

    def key_from_fingerprint(self, fingerprint: bytes) -> Key:
        """The trusted key of that fingerprint.

        Raises:
            TrustError: it is unknown here, or revoked.
        """
        known = {key.fingerprint: key for key in self.keys()}
        key = known.get(fingerprint.hex())
        if key is None:
            raise TrustError(
                f"The bundle is signed by a key this device does not trust ({fingerprint.hex()[:16]}).",
                "Get the signer's public key from a source you trust, then: edge key trust FILE.",
            )
        if key.state != "trusted":
            raise TrustError(
                f"The bundle is signed by {key.name!r}, a key that was revoked on this device.",
                "Ask its maker for a bundle signed with a new key.",
            )
        return key

    def public_from_fingerprint(self, fingerprint: bytes) -> bytes:
        """Public key of a trusted signer, 32 bytes; raises as `key_from_fingerprint`."""
        return bytes.fromhex(self.key_from_fingerprint(fingerprint).public)

    def new(self, name: str, development: bool = False) -> Key:
        """Make a key pair, keep its private half here and trust it.

        Raises:
            UsageError: the name is unfit or taken.
            MachineError: the folder cannot be written.
        """
        private = signing_key_from_random()
        with locked(self.home):
            keys = self._with(Key(name, private.public.hex(), "trusted", development))
            write_atomic(self._private(name), private.seed.hex().encode() + b"\n", mode=0o600)
            self._private(name).parent.chmod(0o700)
            save_record(self._file, keys)
        return keys.keys[-1]

    def trust(self, public: str, name: str) -> Key:
        """Trust a public key made elsewhere.

        Args:
            public: hexadecimal, 32 bytes.
            name: how it is called here.

        Raises:
            UsageError: the name is unfit or taken.
            TrustError: the key was revoked here.
        """
        with locked(self.home):
            for key in self.keys():
                if key.public == public and key.state == "trusted":
                    return key
                if key.public == public:
                    raise TrustError(
                        f"Key {key.name!r} was revoked on this device and stays so.", "Ask its owner for a new key."
                    )
            keys = self._with(Key(name, public, "trusted", development=False))
            save_record(self._file, keys)
        return keys.keys[-1]

    def revoke(self, name: str) -> Key:
        """Distrust a key for good; bundles it signed no longer open.

        Args:
            name: its name, or at least the first 8 digits of its fingerprint.

        Raises:
            UsageError: no such key.
        """
        with locked(self.home):
            key = self._find(name)
            revoked = replace(key, state="revoked")
            save_record(self._file, Keys(tuple(revoked if other == key else other for other in self.keys())))
        return revoked

    def signing_key(self, name: str) -> SigningKey:
        """The private half of a key made here.

        Raises:
            UsageError: no such key, or its private half is not on this machine.
            TrustError: the key is revoked, or its file is readable by others or damaged.
        """
        key = self._find(name)
        path = self._private(key.name)
        if key.state != "trusted":
            raise TrustError(f"Key {key.name!r} is revoked.", "Make another: edge key new NAME.")
        if not path.exists():
            raise UsageError(f"The private half of key {key.name!r} is not on this machine.", "Sign where it was made.")
        if path.stat().st_mode & 0o077:
            raise TrustError(f"{path} is readable by other users.", f"If nobody else read it: chmod 600 {path}.")
        digits = path.read_text("ascii", errors="replace").strip()
        private = SigningKey(bytes.fromhex(digits)) if HEX_KEY.fullmatch(digits) else None
        if private is None or private.public.hex() != key.public:
            raise TrustError(f"{path} is damaged or belongs to another key.", "Make another: edge key new NAME.")
        return private

    def development_key(self) -> SigningKey:
        """This machine's own key for builds without a signing key; made and trusted at first use.

        Raises:
            TrustError: it is revoked or damaged.
            MachineError: the folder cannot be written.
        """
        if not any(key.name == DEVELOPMENT for key in self.keys()):
            with contextlib.suppress(UsageError):  # another process was quicker: its key serves
                self.new(DEVELOPMENT, development=True)
        return self.signing_key(DEVELOPMENT)

    @property
    def _file(self) -> Path:
        return self.home / "keys.json"

    def _private(self, name: str) -> Path:
        return self.home / "private" / f"{name}.key"

    def _find(self, name: str) -> Key:
        for key in self.keys():
            is_prefix = len(name) >= FINGERPRINT_PREFIX and key.fingerprint.startswith(name.lower())
            if key.name == name or is_prefix:
                return key
        raise UsageError(f"This device knows no key {name!r}.", "See: edge key list.")

    def _with(self, key: Key) -> Keys:
        if not KEY_NAME.fullmatch(key.name):
            raise UsageError(
                f"{key.name!r} is no fit name for a key.", "Use 1 to 64 letters, digits, dots, dashes, underscores."
            )
        keys = self.keys()
        if any(other.name == key.name for other in keys):
            raise UsageError(f"There is already a key named {key.name!r}.", "Choose another name.")
        return Keys((*keys, key))
