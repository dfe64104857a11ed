from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.errors import MachineError, TrustError, UsageError
from edge.exam_vault import Place, Vault, key_file, load_vault, made_vault
from edge.store_check import check_store
from edge.store_reader import open_reader
from tests.edge.stored import filled, jpeg_from_seed, opened

VAULT = Vault(bytes(range(32)))
PLACE = Place("events", "exam", 1)


def test_what_was_sealed_opens_again_and_never_looks_the_same() -> None:
    first, second = VAULT.seal(b"Wang", PLACE), VAULT.seal(b"Wang", PLACE)
    assert first != second
    assert VAULT.open(first, PLACE) == VAULT.open(second, PLACE) == b"Wang"


@pytest.mark.parametrize("place", [Place("jpegs", "exam", 1), Place("events", "other", 1), Place("events", "exam", 2)])
def test_a_record_that_was_moved_does_not_open(place: Place) -> None:
    with pytest.raises(TrustError, match="altered"):
        VAULT.open(VAULT.seal(b"Wang", PLACE), place)


@pytest.mark.parametrize("at", [0, 12, -1])
def test_a_flipped_bit_does_not_open(at: int) -> None:
    sealed = bytearray(VAULT.seal(b"Wang", PLACE))
    sealed[at] ^= 1
    with pytest.raises(TrustError, match="altered"):
        VAULT.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("sealed", [b"", b"x" * 11, b"x" * 12, b"x" * 27])
def test_a_record_cut_short_does_not_open(sealed: bytes) -> None:
    with pytest.raises(TrustError, match="altered"):
        VAULT.open(sealed, PLACE)


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    assert load_vault(tmp_path) is None
    vault = made_vault(tmp_path)
    assert made_vault(tmp_path) == load_vault(tmp_path) == vault
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600
    assert vault.key.hex() not in repr(vault)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    made_vault(tmp_path)
    key_file(tmp_path).chmod(0o640)
    with pytest.raises(TrustError, match="readable by other users"):
        load_vault(tmp_path)


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 32])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    made_vault(tmp_path)
    key_file(tmp_path).write_bytes(content)
    with pytest.raises(TrustError, match="damaged"):
        made_vault(tmp_path)


def test_a_key_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    key_file(tmp_path).mkdir(parents=True, mode=0o700)
    with pytest.raises(MachineError, match="cannot be read"):
        load_vault(tmp_path)


def test_an_encrypted_store_shows_no_byte_of_a_patient(tmp_path: Path) -> None:
    path, image = tmp_path / "x.db", jpeg_from_seed(1)
    with opened(path, vault=VAULT) as store:
        exam = filled(store, "Wang-Fang")
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert store.about(exam)["patient"] == "Wang-Fang"
        assert store.jpeg(exam, 1) == image
        assert store.events(exam)[0].event["note"] == "Wang-Fang-event-1"
    files += [file.read_bytes() for file in tmp_path.iterdir()]
    assert not any(b"Wang" in data or image[100:116] in data or VAULT.key in data for data in files)


@pytest.mark.parametrize("vault", [None, Vault(bytes(32))])
def test_a_lost_key_says_so_and_the_exams_can_still_be_listed_checked_and_deleted(
    tmp_path: Path, vault: Vault | None
) -> None:
    path = tmp_path / "x.db"
    with opened(path, vault=VAULT) as store:
        exam = filled(store, "Wang-Fang")
    with pytest.raises(TrustError, match=r"key .* is not on this device"), opened(path, vault=vault):
        pass
    with open_reader(path, vault) as reader:
        assert reader.encrypted
        assert reader.exams()[0].captures == 3
        assert check_store(reader).records == 4
        for read in (lambda: reader.about(exam), lambda: reader.events(exam), lambda: reader.jpeg(exam, 1)):
            with pytest.raises(TrustError, match="not on this device"):
                read()
    with opened(path, keyless=True) as store:
        store.delete(exam)
        assert check_store(store).deleted == 1


def test_a_store_without_encryption_does_not_become_half_encrypted(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        assert not store.encrypted
    with pytest.raises(UsageError, match="without encryption"), opened(tmp_path / "x.db", vault=VAULT):
        pass


def test_images_exchanged_between_two_events_do_not_open(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db", vault=VAULT) as store:
        exam = filled(store, "Li")
        store._rows("UPDATE jpegs SET jpeg = (SELECT jpeg FROM jpegs WHERE event = 2) WHERE event = 1")
        with pytest.raises(TrustError, match="altered"):
            store.jpeg(exam, 1)
