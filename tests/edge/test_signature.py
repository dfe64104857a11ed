from __future__ import annotations

from edge.signature import SigningKey, is_signed, signing_key_from_random

# RFC 8032, section 7.1, test 2
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_vector_of_the_rfc_holds() -> None:
    key = SigningKey(SEED)
    assert key.public == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert is_signed(PUBLIC, SIGNATURE, b"\x72")


def test_another_message_is_not_signed() -> None:
    assert not is_signed(PUBLIC, SIGNATURE, b"\x73")


def test_a_key_of_the_wrong_length_signs_nothing() -> None:
    assert not is_signed(b"short", SIGNATURE, b"\x72")


def test_a_private_key_does_not_show_in_print() -> None:
    key = signing_key_from_random()
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)
