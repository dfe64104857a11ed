"""Bundle file + keyring -> verified bundle. The shell around edge/bundle.py: the only place that opens a bundle."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.bundle import Bundle, bundle_from_bytes, check_size
from edge.errors import DeviceError, InputError, MachineError, TrustError
from edge.keyring import Key, Keyring
from edge.manifest import Notice


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
    try:
        return bundle_from_bytes(data, keyring.public_from_fingerprint)
    except (TrustError, DeviceError) as error:  # which of several bundles it was
        raise type(error)(f"{path}: {error.cause}", error.cure, error.word) from error


def notices_from_bundle(bundle: Bundle, key: Key) -> tuple[Notice, ...]:
    """What a person must be told at each start with this bundle.

    Args:
        bundle: a verified bundle.
        key: the key that signed it.
    """
    manifest, notices = bundle.manifest, list[Notice]()
    if key.development:
        en = f"{manifest.name} is signed with this machine's development key: not a release."
        notices.append(Notice(en, f"模型包 {manifest.name} 使用本机开发密钥签名，不是正式发布版本。"))
    if manifest.watermark is not None:
        notices.append(Notice(manifest.watermark, f"模型标注：{manifest.watermark}"))
    if manifest.gate.skipped:
        en = "The accuracy gate was skipped when this bundle was built."
        notices.append(Notice(en, "该模型包生成时跳过了准确性检验。"))
    if manifest.decision.threshold is None:
        en = "No acceptance threshold was measured for this model: no plane is accepted."
        notices.append(Notice(en, "该模型未测定阈值，因此不给出任何切面。"))
    return tuple(notices)
