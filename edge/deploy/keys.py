"""The keyring that a service gets: which signers the account of the service believes.

In: the keys of who installs, those the service has already. Out: its new keys. A decision once made on the device
stays: a key that was revoked, here or there, is never trusted again by an installation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge.errors import TrustError
from edge.keyring import FINGERPRINT_PREFIX, Key, Keys

REVOKED = "revoked"


def keys_for_service(present: Iterable[Key], installer: Iterable[Key], signer: Key) -> Keys:
    """The signer of the bundle, what the service knew, and every revocation.

    Args:
        present: of the service, from an earlier installation.
        installer: of the user who installs.
        signer: of the bundle, trusted by the installer.

    Raises:
        TrustError: the service has revoked the signer.
    """
    keys = {key.public: key for key in present}
    if signer.public in keys and keys[signer.public].state == REVOKED:
        raise TrustError(
            f"The bundle is signed by {keys[signer.public].name!r}, a key that was revoked on this device.",
            "Ask its maker for a bundle signed with a new key.",
        )
    keys.setdefault(signer.public, signer)
    for key in installer:
        if key.state == REVOKED:
            keys[key.public] = replace(keys.get(key.public, key), state=REVOKED)
    return Keys(_named_apart(keys.values()))


def _named_apart(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Names are unique in a keyring; who comes later gets the start of the fingerprint behind the name."""
    named: dict[str, Key] = {}
    for key in keys:
        name = key.name if key.name not in named else f"{key.name[:55]}-{key.fingerprint[:FINGERPRINT_PREFIX]}"
        named[name] = replace(key, name=name)
    return tuple(named.values())
