"""Bundle file + keyring -> verified bundle. The shell around edge/bundle.py: the only place that opens a bundle."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.bundle import Bundle, bundle_from_bytes, check_size
from edge.errors import InputError, MachineError
from edge.keyring import Key, Keyring


def load_bundle(path: Path, keyring: Keyring) -> Bundle:
    """Read and verify a bundle: size, signature, digests, schema.

    The file is read into memory once; what was verified is what is used, whatever happens to the file afterwards.

    Raises:
        InputError: there is no such file.
        TrustError: it is not what a trusted signer made.
        DeviceError: it is of another container or schema version.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or device would be read for ever
            raise InputError(f"{path} is no file.", "Give the path of an .edge file.")
        check_size(status.st_size)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", "Check the path of the bundle.") from error
    except OSError as error:
        raise MachineError(
            f"{path} cannot be read: {error.strerror}.", "Check its permissions and the disk."
        ) from error
    return bundle_from_bytes(data, keyring.public_from_fingerprint)


def notices_from_bundle(bundle: Bundle, key: Key) -> tuple[str, ...]:
    """What a person must be told at each start with this bundle.

    Args:
        bundle: a verified bundle.
        key: the key that signed it.
    """
    gate, notices = bundle.manifest.gate, []
    if key.development:
        notices.append(f"{bundle.manifest.name} is signed with this machine's development key: not a release.")
    if bundle.manifest.watermark is not None:
        notices.append(bundle.manifest.watermark)
    if gate.skipped:
        notices.append("The accuracy gate was skipped when this bundle was built.")
    if bundle.manifest.decision.threshold is None:
        notices.append("No acceptance threshold was measured for this model: no plane is accepted.")
    return tuple(notices)
