from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import (
    CONTAINER_VERSION,
    HEADER_BYTES,
    MAX_BUNDLE_BYTES,
    bundle_from_bytes,
    bytes_from_parts,
    check_size,
)
from edge.errors import DeviceError, EdgeError, TrustError
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.manifest import Manifest
from edge.record import bytes_from_record
from edge.signature import SigningKey, fingerprint_from_public

KEY = SigningKey(bytes(range(32)))
PARTS = {"model.qdq.onnx": b"model" * 40, "empty": b"", "gate/frames.npy": b"frames" * 9}


def trusted(fingerprint: bytes) -> bytes:
    if fingerprint != fingerprint_from_public(KEY.public):
        raise TrustError("unknown key", "trust it")
    return KEY.public


@pytest.fixture
def packed(manifest: Manifest) -> bytes:
    return bytes_from_parts(manifest, PARTS, KEY)


def test_what_was_packed_is_read_back(packed: bytes, manifest: Manifest) -> None:
    bundle = bundle_from_bytes(packed, trusted)
    assert {name: bytes(part) for name, part in bundle.parts.items()} == PARTS
    assert replace(bundle.manifest, parts=()) == manifest


def test_packing_is_deterministic(packed: bytes, manifest: Manifest) -> None:
    assert bytes_from_parts(manifest, PARTS, KEY) == packed


def test_a_missing_part_is_named(packed: bytes) -> None:
    with pytest.raises(DeviceError, match=r"no part 'sbom\.json'"):
        bundle_from_bytes(packed, trusted).part("sbom.json")


def test_every_flipped_byte_is_refused(packed: bytes) -> None:
    for position in range(len(packed)):
        damaged = bytearray(packed)
        damaged[position] ^= 0x40
        with pytest.raises((TrustError, DeviceError)):
            bundle_from_bytes(bytes(damaged), trusted)


def test_every_truncation_is_refused(packed: bytes) -> None:
    for length in range(len(packed)):
        with pytest.raises(TrustError):
            bundle_from_bytes(packed[:length], trusted)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(EdgeError):
        bundle_from_bytes(data, trusted)


@dataclass(frozen=True)
class Damage:
    make: Callable[[bytes], bytes]
    error: type[EdgeError]
    message: str


def flip(position: int) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        damaged = bytearray(data)
        damaged[position] ^= 1
        return bytes(damaged)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        Damage(lambda data: b"PK\x03\x04" + data, TrustError, "no edge bundle"),
        Damage(lambda _: b"", TrustError, "no edge bundle"),
        Damage(lambda data: data[: HEADER_BYTES - 1], TrustError, "truncated"),
        Damage(lambda data: data[: HEADER_BYTES + 10], TrustError, "truncated"),
        Damage(lambda data: data[:-1], TrustError, "truncated"),
        Damage(lambda data: data + b"\0", TrustError, "1 bytes follow the last part"),
        Damage(flip(8), DeviceError, "container version"),
        Damage(flip(20), TrustError, "unknown key"),
        Damage(flip(60), TrustError, "header or manifest was altered"),
        Damage(flip(HEADER_BYTES + 5), TrustError, "header or manifest was altered"),
        Damage(flip(-1), TrustError, "'gate/frames.npy' was altered"),
    ],
)
def test_each_damage_has_its_own_error(packed: bytes, damage: Damage) -> None:
    with pytest.raises(damage.error, match=damage.message) as caught:
        bundle_from_bytes(damage.make(packed), trusted)
    assert caught.value.cure


def sealed(document: dict[str, Any], payload: bytes = b"") -> bytes:
    """A bundle whose signer signed whatever stands in the document."""
    from edge.bundle import MAGIC, SIGNED_HEADER

    body = bytes_from_record(document)
    signed = SIGNED_HEADER.pack(MAGIC, CONTAINER_VERSION, 0, len(body), fingerprint_from_public(KEY.public))
    return signed + KEY.sign(signed + body) + body + payload


def test_a_future_schema_is_a_device_error_before_its_fields_are_read() -> None:
    with pytest.raises(DeviceError, match="schema 2") as caught:
        bundle_from_bytes(sealed({"schema": 2, "parts": [], "new": True}), trusted)
    assert caught.value.exit_code == 4


def test_a_digest_is_checked_before_the_schema() -> None:
    part = {"name": "a", "offset_bytes": 0, "size_bytes": 1, "sha256": "0" * 64}
    with pytest.raises(TrustError, match="'a' was altered"):
        bundle_from_bytes(sealed({"schema": 2, "parts": [part]}, b"x"), trusted)


@pytest.mark.parametrize("name", ["../escape", "/absolute", "a//b", "a/../b", ".hidden", ""])
def test_a_part_name_that_could_leave_a_folder_is_refused(name: str, manifest: Manifest) -> None:
    with pytest.raises(TrustError, match="unfit name"):
        bytes_from_parts(manifest, {name: b""}, KEY)
    part = {"name": name, "offset_bytes": 0, "size_bytes": 0, "sha256": "0" * 64}
    with pytest.raises(TrustError, match="unfit name"):
        bundle_from_bytes(sealed({"schema": 1, "parts": [part]}), trusted)


def test_overlapping_parts_are_refused() -> None:
    parts = [{"name": n, "offset_bytes": 0, "size_bytes": 1, "sha256": "0" * 64} for n in ("a", "b")]
    with pytest.raises(TrustError, match="'b' has an unfit name or place"):
        bundle_from_bytes(sealed({"schema": 1, "parts": parts}, b"x"), trusted)


def test_a_manifest_that_is_no_object_is_refused() -> None:
    with pytest.raises(TrustError, match="manifest"):
        bundle_from_bytes(sealed([1, 2]), trusted)  # type: ignore[arg-type]


def test_a_wrong_public_key_for_the_fingerprint_is_refused(packed: bytes) -> None:
    other = SigningKey(bytes(32))
    with pytest.raises(TrustError, match="altered"):
        bundle_from_bytes(packed, lambda _: other.public)


def test_an_oversized_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(TrustError, match="at most"):
        check_size(MAX_BUNDLE_BYTES + 1)


def test_an_unknown_and_a_revoked_key_are_told_apart(packed: bytes, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    with pytest.raises(TrustError, match="does not trust"):
        bundle_from_bytes(packed, keyring.public_from_fingerprint)
    keyring.trust(KEY.public.hex(), "maker")
    bundle_from_bytes(packed, keyring.public_from_fingerprint)
    keyring.revoke("maker")
    with pytest.raises(TrustError, match="revoked"):
        bundle_from_bytes(packed, keyring.public_from_fingerprint)


@pytest.mark.parametrize("damaged", [lambda data: data[:-1], lambda data: b"PK" + data])
def test_a_refused_file_is_named(packed: bytes, damaged: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "b.edge").write_bytes(damaged(packed))
    with pytest.raises(TrustError, match=r"b\.edge: The "):
        load_bundle(tmp_path / "b.edge", Keyring(tmp_path))
