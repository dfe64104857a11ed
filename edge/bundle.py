"""Bundle bytes <-> manifest and parts; no files, no trust decisions of its own.

::

    offset  bytes
         0      8  magic
         8      2  container version     little-endian, like all numbers here
        10      2  reserved, 0
        12      4  manifest length M
        16     32  SHA-256 of the signer's public key: only a name, the key itself comes from the device
        48     64  Ed25519 signature over bytes 0..48 and the manifest
       112      M  manifest, canonical JSON; names every part with its offset, size and SHA-256
     112+M      .  the parts, one after the other, nothing between or behind them

So every byte is covered: the header and the manifest by the signature, the parts by the manifest. Reading checks in
trust order: size, signature by a trusted key, digests, schema; only then is a part parsed by anyone.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.errors import DeviceError, TrustError
from edge.files import sha256_from_bytes
from edge.manifest import Manifest, Part, check_manifest, manifest_from_json
from edge.packages import UPGRADE_CURE
from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json
from edge.signature import SIGNATURE_BYTES, SigningKey, fingerprint_from_public, is_signed

MAGIC = b"\x89EDGE\r\n\x1a"  # as PNG's: shows 7-bit and line-ending damage at the first byte
CONTAINER_VERSION = 1
SIGNED_HEADER = struct.Struct("<8sHHI32s")
HEADER_BYTES = SIGNED_HEADER.size + SIGNATURE_BYTES
MAX_BUNDLE_BYTES = 1 << 30  # 1 GiB: VMamba-B with float and lowered graph is 0.5 GiB; a cart computer has 8 GiB
MAX_MANIFEST_BYTES = 1 << 20  # 1 MiB: manifests are some 10 KiB; bounds what is parsed
PART_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")

PublicFromFingerprint = Callable[[bytes], bytes]  # the device's trusted public key of that name, or TrustError


@dataclass(frozen=True)
class Bundle:
    """A bundle whose signature, digests and schema have been checked.

    Attributes:
        manifest: what it says about itself.
        parts: name -> bytes, views into the bytes that were checked.
        fingerprint: SHA-256 of the public key that signed it.
        digest: hexadecimal SHA-256 of header and manifest: names exactly this bundle.
    """

    manifest: Manifest
    parts: Mapping[str, memoryview]
    fingerprint: bytes
    digest: str

    def part(self, name: str) -> bytes:
        """A copy of one part.

        Raises:
            DeviceError: the bundle has no such part.
        """
        if name not in self.parts:
            raise DeviceError(
                f"The bundle holds no part {name!r}; it has {', '.join(sorted(self.parts))}.",
                "Compile it again with the edge compile of this version.",
            )
        return bytes(self.parts[name])


def bytes_from_parts(manifest: Manifest, parts: Mapping[str, bytes], key: SigningKey) -> bytes:
    """Sign and pack a bundle.

    Args:
        manifest: its `parts` are filled in here.
        parts: name -> content, in the order in which they shall lie.
        key: the signer's.

    Returns:
        The bundle.

    Raises:
        TrustError: the manifest contradicts itself, a name is unfit or a size limit is exceeded.
    """
    check_manifest(manifest)
    table, offset = [], 0
    for name, data in parts.items():
        table.append(Part(name, offset, len(data), sha256_from_bytes(data)))
        offset += len(data)
    _check_table(tuple(table), offset)
    body = bytes_from_record(replace(manifest, parts=tuple(table)))
    _check_lengths(HEADER_BYTES + len(body) + offset, len(body))
    fingerprint = fingerprint_from_public(key.public)
    signed = SIGNED_HEADER.pack(MAGIC, CONTAINER_VERSION, 0, len(body), fingerprint)
    return b"".join((signed, key.sign(signed + body), body, *parts.values()))


def bundle_from_bytes(data: bytes, public_from_fingerprint: PublicFromFingerprint) -> Bundle:
    """Check a bundle in trust order.

    Args:
        data: the whole file.
        public_from_fingerprint: the device's keyring.

    Raises:
        TrustError: not a bundle, truncated, altered, or not signed by a trusted key.
        DeviceError: container or schema version of another runtime.
    """
    length, fingerprint = _header_from_bytes(data)
    signed, body_end = data[: SIGNED_HEADER.size], HEADER_BYTES + length
    body = data[HEADER_BYTES:body_end]
    public = public_from_fingerprint(fingerprint)
    if fingerprint_from_public(public) != fingerprint or not is_signed(
        public, data[SIGNED_HEADER.size : HEADER_BYTES], signed + body
    ):
        raise TrustError(
            "The signature does not fit the bundle: its header or manifest was altered.",
            "Copy the bundle again from its source; do not use this one.",
        )
    document = _document_from_bytes(body)
    parts = _parts_from_payload(_table_from_document(document), memoryview(data)[body_end:])
    return Bundle(manifest_from_json(document), parts, fingerprint, sha256_from_bytes(data[:body_end]))


def check_size(size_bytes: int) -> None:
    """Refuse a file that is too large to be a bundle, before it is read.

    Raises:
        TrustError: it is.
    """
    if size_bytes > MAX_BUNDLE_BYTES:
        raise TrustError(
            f"The file has {size_bytes} bytes; a bundle has at most {MAX_BUNDLE_BYTES}.",
            "Check that the path names an .edge bundle.",
        )


def _check_lengths(size_bytes: int, manifest_bytes: int) -> None:
    check_size(size_bytes)
    if manifest_bytes > MAX_MANIFEST_BYTES:
        raise TrustError(
            f"The manifest has {manifest_bytes} bytes; at most {MAX_MANIFEST_BYTES} are allowed.",
            "Ask the maker of the bundle for a correct one.",
        )


def _header_from_bytes(data: bytes) -> tuple[int, bytes]:
    """Manifest length and the signer's fingerprint."""
    check_size(len(data))
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise TrustError("The file is no edge bundle: its first bytes differ.", "Give the path of an .edge file.")
    if len(data) < HEADER_BYTES:
        raise _truncated(len(data), HEADER_BYTES)
    _, version, reserved, length, fingerprint = SIGNED_HEADER.unpack_from(data)
    if version != CONTAINER_VERSION or reserved:
        raise DeviceError(
            f"The bundle has container version {version}.{reserved}; this runtime reads {CONTAINER_VERSION}.0.",
            f"{UPGRADE_CURE}; or copy the bundle again if it was damaged.",
        )
    _check_lengths(len(data), length)
    if len(data) < HEADER_BYTES + length:
        raise _truncated(len(data), HEADER_BYTES + length)
    return length, fingerprint


def _document_from_bytes(body: bytes) -> dict[str, Any]:
    try:
        document = json_from_bytes(body)
    except RecordError as error:
        raise TrustError(f"The manifest is {error}.", "Ask the maker of the bundle for a correct one.") from error
    return document if isinstance(document, dict) else {}


def _table_from_document(document: dict[str, Any]) -> tuple[Part, ...]:
    """The list of parts, which stands in every schema at the same place."""
    listed = document.get("parts")
    try:
        return tuple(record_from_json(Part, part, "parts") for part in (listed if isinstance(listed, list) else []))
    except RecordError as error:
        raise TrustError(f"The list of parts is not valid: {error}.", "Ask the maker for a correct bundle.") from error


def _check_table(table: tuple[Part, ...], payload_bytes: int) -> None:
    end = 0
    for part in table:
        if not PART_NAME.fullmatch(part.name) or part.offset_bytes != end or part.size_bytes < 0:
            raise TrustError(f"Part {part.name!r} has an unfit name or place.", "Ask the maker for a correct bundle.")
        end += part.size_bytes
    if len({part.name for part in table}) != len(table):
        raise TrustError("Two parts of the bundle have the same name.", "Ask the maker for a correct bundle.")
    if end > payload_bytes:
        raise _truncated(payload_bytes, end, "The parts have")
    if end < payload_bytes:
        raise TrustError(
            f"{payload_bytes - end} bytes follow the last part of the bundle.",
            "Copy the bundle again from its source; do not use this one.",
        )


def _parts_from_payload(table: tuple[Part, ...], payload: memoryview) -> dict[str, memoryview]:
    _check_table(table, len(payload))
    parts = {part.name: payload[part.offset_bytes : part.offset_bytes + part.size_bytes] for part in table}
    for part in table:
        if hashlib.sha256(parts[part.name]).hexdigest() != part.sha256:
            raise TrustError(
                f"Part {part.name!r} was altered: its digest differs from the signed one.",
                "Copy the bundle again from its source; do not use this one.",
            )
    return parts


def _truncated(got: int, expected: int, subject: str = "The bundle has") -> TrustError:
    return TrustError(
        f"The bundle is truncated. {subject} {got} bytes, expected {expected}.", "Copy it again from its source."
    )
