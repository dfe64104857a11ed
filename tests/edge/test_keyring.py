from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.errors import MachineError, TrustError, UsageError
from edge.keyring import Keyring, home_from_environment, public_from_text
from edge.signature import SigningKey, is_signed

OTHER = SigningKey(bytes(32)).public.hex()


def test_a_folder_that_does_not_exist_is_an_empty_keyring(keyring: Keyring) -> None:
    assert keyring.keys() == ()
    assert not keyring.home.exists()


def test_a_new_key_signs_and_is_trusted(keyring: Keyring) -> None:
    key = keyring.new("clinic")
    private = keyring.signing_key("clinic")
    assert is_signed(bytes.fromhex(key.public), private.sign(b"m"), b"m")
    assert keyring.key_from_fingerprint(bytes.fromhex(key.fingerprint)) == key


def test_the_private_file_is_for_its_owner_only(keyring: Keyring) -> None:
    keyring.new("clinic")
    assert stat.S_IMODE((keyring.home / "private" / "clinic.key").stat().st_mode) == 0o600


def test_a_private_file_others_can_read_is_refused(keyring: Keyring) -> None:
    keyring.new("clinic")
    (keyring.home / "private" / "clinic.key").chmod(0o644)
    with pytest.raises(TrustError, match="readable by other users"):
        keyring.signing_key("clinic")


@pytest.mark.parametrize("content", ["", "zz", "00" * 32])
def test_a_damaged_private_file_is_refused(keyring: Keyring, content: str) -> None:
    keyring.new("clinic")
    (keyring.home / "private" / "clinic.key").write_text(content)
    with pytest.raises(TrustError, match="damaged"):
        keyring.signing_key("clinic")


def test_the_development_key_is_made_once_and_marked(keyring: Keyring) -> None:
    assert keyring.development_key() == keyring.development_key()
    (key,) = keyring.keys()
    assert key.development


def test_a_key_travels_as_one_line(keyring: Keyring, tmp_path: Path) -> None:
    key = keyring.new("clinic")
    there = Keyring(tmp_path / "there")
    trusted = there.trust(*public_from_text(key.text))
    assert (trusted.fingerprint, trusted.name) == (key.fingerprint, "clinic")


def test_a_key_trusted_from_elsewhere_cannot_sign_here(keyring: Keyring) -> None:
    keyring.trust(OTHER, "maker")
    with pytest.raises(UsageError, match="not on this machine"):
        keyring.signing_key("maker")


def test_trusting_twice_changes_nothing(keyring: Keyring) -> None:
    assert keyring.trust(OTHER, "maker") == keyring.trust(OTHER, "again")
    assert len(keyring.keys()) == 1


def test_a_revoked_key_stays_revoked(keyring: Keyring) -> None:
    fingerprint = keyring.trust(OTHER, "maker").fingerprint
    keyring.revoke(fingerprint[:12])
    with pytest.raises(TrustError, match="revoked"):
        keyring.key_from_fingerprint(bytes.fromhex(fingerprint))
    with pytest.raises(TrustError, match="stays so"):
        keyring.trust(OTHER, "maker2")


def test_a_revoked_key_does_not_sign(keyring: Keyring) -> None:
    keyring.development_key()
    keyring.revoke("development")
    with pytest.raises(TrustError, match="revoked"):
        keyring.development_key()


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(keyring: Keyring, name: str) -> None:
    with pytest.raises(UsageError, match="fit name"):
        keyring.new(name)


def test_a_name_is_taken_once(keyring: Keyring) -> None:
    keyring.new("clinic")
    with pytest.raises(UsageError, match="already"):
        keyring.new("clinic")


@pytest.mark.parametrize(
    "text", ['{"keys": [{}]}', '{"keys": [{"name": "a", "public": "zz", "state": "trusted", "development": false}]}']
)
def test_a_damaged_keyring_trusts_nobody(keyring: Keyring, text: str) -> None:
    keyring.new("clinic")
    (keyring.home / "keys.json").write_text(text)
    with pytest.raises(TrustError, match="damaged"):
        keyring.keys()


def test_a_folder_that_cannot_be_written_is_a_machine_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        Keyring(tmp_path / "file" / "home").new("clinic")


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA me", "vmamba-edge-ed25519 12 me"])
def test_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no public key"):
        public_from_text(text)


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"VMAMBA_EDGE_HOME": "/a", "XDG_CONFIG_HOME": "/b"}, "/a"),
        ({"XDG_CONFIG_HOME": "/b"}, "/b/vmamba-edge"),
        ({}, str(Path.home() / ".config" / "vmamba-edge")),
    ],
)
def test_the_home_follows_the_environment(environment: dict[str, str], home: str) -> None:
    assert home_from_environment(environment) == Path(home)
