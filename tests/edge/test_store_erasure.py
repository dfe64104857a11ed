from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import MachineError
from edge.store import INSERT_EXAM, LEAD_BYTES, Store
from edge.store_check import check_store
from edge.store_reader import open_reader
from tests.edge.stored import BUNDLE, filled, jpeg_from_seed, opened

WINDOW_BYTES = 16  # of an image: so many random bytes occur nowhere by chance


def places(folder: Path, patient: str, images: list[bytes]) -> Iterator[str]:
    """Where in any file of a folder something of a patient can be read."""
    for file in folder.iterdir():
        data = file.read_bytes()
        if patient.encode() in data:
            yield f"{file.name}: the name"
        for image in images:
            if any(image[at : at + WINDOW_BYTES] in data for at in range(2, len(image) - WINDOW_BYTES, 997)):
                yield f"{file.name}: an image"


@pytest.mark.parametrize("size", [600, 3000, 4062, 9000, 200_000])
def test_no_byte_of_a_deleted_exam_is_left_in_file_or_log(tmp_path: Path, size: int) -> None:
    image = jpeg_from_seed(7, size)
    with opened(tmp_path / "x.db") as store:
        kept = filled(store, "Keep")
        exam = store.new_exam({"patient": "Gone"}, BUNDLE)
        for number in range(5):
            store.append(exam, "capture", {"note": f"Gone {number}"}, image)
            filled(store, f"Other{number}", seed=number)
        assert len(set(places(tmp_path, "Gone", [image]))) >= 2  # the search finds what is there
        store.delete(exam)
        assert list(places(tmp_path, "Gone", [image])) == []
        assert len(store.events(kept)) == 3
    assert list(places(tmp_path, "Gone", [image])) == []


def test_random_deletions_leave_nothing_of_any_deleted_exam(tmp_path: Path) -> None:
    rng = random.Random(0)
    there: dict[str, tuple[str, list[bytes]]] = {}
    gone: list[tuple[str, list[bytes]]] = []
    with opened(tmp_path / "x.db") as store:
        store._rows("PRAGMA synchronous = OFF")  # for the test's sake
        for turn in range(60):
            patient = f"patient-{turn:03d}-"
            exam = store.new_exam({"patient": patient}, BUNDLE)
            images = [jpeg_from_seed(turn * 100 + n, rng.choice((300, 2000, 5000, 20_000))) for n in range(3)]
            for image in images:
                store.append(exam, "capture", {"of": patient, "text": "x" * rng.randrange(6000)}, image)
            there[exam] = (patient, images)
            while len(there) > rng.randrange(1, 20):
                exam = rng.choice(list(there))
                store.delete(exam)
                gone.append(there.pop(exam))
        assert len(gone) > 40
        assert [place for patient, images in gone for place in places(tmp_path, patient, images)] == []
        assert check_store(store).deleted == len(gone)


def test_the_file_shrinks_when_exams_go(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        exams = [filled(store, f"P{n}", events=5) for n in range(5)]
        store.erase()
        full = path.stat().st_size
        for exam in exams[:4]:
            store.delete(exam)
        assert path.stat().st_size < 0.4 * full


def test_the_chain_holds_no_names_and_stays_valid(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = filled(store, "Wang-Fang")
        before = check_store(store).head
        store.delete(exam, "op9")
        entries = list(store.audit())
        assert check_store(store, before).deleted == 1
    last = entries[-1]
    assert (last.kind, last.exam, last.operator, last.sequence, last.bundle) == ("exam.deleted", exam, "op9", 4, BUNDLE)
    assert "Wang" not in repr(entries)


def test_a_reader_that_holds_the_log_is_told_and_the_next_opening_erases(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        exam = filled(store, "Gone")
        store._rows("PRAGMA busy_timeout = 50")
        with open_reader(path) as reader, reader.snapshot():
            assert reader.exams()
            with pytest.raises(MachineError, match="another process reads"):
                store.delete(exam)
            assert store.exams() == ()
    with opened(path):
        assert list(places(tmp_path, "Gone", [jpeg_from_seed(1)])) == []


def test_a_deletion_that_the_disk_refuses_leaves_the_exam_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = filled(store, "Li")

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "_log", fail)  # the last thing of the transaction
            with pytest.raises(MachineError, match="disk I/O error"):
                store.delete(exam)
        assert store.state().state == "failed"
        assert len(store.events(exam)) == 3
        assert check_store(store).records == 4


def test_no_small_record_stays_in_a_gap_of_a_page(tmp_path: Path) -> None:
    """Without `lead` this finds some: SQLite leaves copies of moved rows behind, and secure_delete misses them."""
    rng = random.Random(0)
    there: dict[str, bytes] = {}
    with opened(tmp_path / "x.db") as store:
        store._rows("PRAGMA synchronous = OFF")  # for the test's sake: thousands of commits
        for turn in range(1500):
            token = b"<tok%06d>" % turn
            store._execute(INSERT_EXAM, str(turn), "", "", "", LEAD_BYTES, token * rng.randrange(1, 120))
            there[str(turn)] = token
            while len(there) > 400 or (len(there) > 50 and rng.random() < 0.3):
                exam = rng.choice(list(there))
                store._execute("DELETE FROM exams WHERE exam = ?", exam)
                del there[exam]
        store.erase()
        data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert set(re.findall(rb"<tok\d{6}>", data)) == set(there.values())
