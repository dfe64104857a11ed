from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.audit import Head
from edge.errors import EdgeError, InputError, TrustError
from edge.store_check import check_store
from edge.store_reader import open_reader
from edge.store_retention import exams_older_than
from tests.edge.stored import filled, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two exams of three events and a third that was deleted."""
    with opened(tmp_path / "x.db") as store:
        for patient in ("Li", "Wang"):
            filled(store, patient)
        store.delete(filled(store, "Gone"))
    return tmp_path / "x.db"


def test_an_untouched_store_agrees_with_its_chain(path: Path) -> None:
    with open_reader(path) as reader:
        found = check_store(reader)
    assert (found.exams, found.records, found.deleted, found.head.number) == (2, 8, 1, 13)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET entry = replace(entry, 'op7', 'op8') WHERE number = 2",
        "UPDATE audit SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE number = 2",
        "UPDATE audit SET entry = '{}' WHERE number = 2",
        "DELETE FROM audit WHERE number = 1",
        "DELETE FROM audit WHERE number = 5",
        "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)",
        "UPDATE events SET body = zeroblob(40) WHERE number = 2",
        "UPDATE events SET kind = 'other' WHERE number = 2",
        "UPDATE events SET wall = '2020-01-01' WHERE number = 2",
        "UPDATE events SET sequence = 9 WHERE number = 2",
        "UPDATE jpegs SET jpeg = zeroblob(40) WHERE event = 2",
        "DELETE FROM jpegs WHERE event = 2",
        "DELETE FROM events WHERE number = 2",
        "DELETE FROM exams WHERE number = 1",
        "UPDATE exams SET operator = 'other' WHERE number = 1",
        "UPDATE exams SET about = zeroblob(40) WHERE number = 1",
        "INSERT INTO jpegs SELECT 99, lead, jpeg FROM jpegs WHERE event = 2",
        "INSERT INTO events SELECT 99, exam, 4, kind, wall, lead, body, operator FROM events WHERE number = 2",
        "UPDATE events SET operator = 'other' WHERE number = 2",
        "UPDATE events SET body = '0123456789abcdef{}' WHERE number = 2",
        "UPDATE exams SET about = '0123456789abcdef{}' WHERE number = 1",
        "UPDATE jpegs SET jpeg = 'text' WHERE event = 2",
        "UPDATE audit SET entry = CAST(entry AS BLOB) WHERE number = 2",
    ],
)
def test_what_was_altered_behind_the_stores_back_is_found(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with open_reader(path) as reader:
        if statement.startswith("INSERT INTO jpegs"):  # an image of no event is seen by nobody
            assert check_store(reader).records == 8
        else:
            with pytest.raises(TrustError, match="audit"):
                check_store(reader)


def test_a_noted_head_tells_a_chain_that_was_written_anew(path: Path) -> None:
    with opened(path) as store:
        noted = check_store(store).head
        filled(store, "Later")
        assert check_store(store, noted).head.number > noted.number
        with pytest.raises(TrustError, match="rewritten"):
            check_store(store, Head(noted.number, "0" * 64))
        with pytest.raises(TrustError, match="cut off"):
            check_store(store, Head(99, noted.digest))


def test_a_damaged_page_is_one_clear_error(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(EdgeError, match=r"damaged|audit"), open_reader(path) as reader:
        check_store(reader)


@pytest.mark.parametrize("value", ["x'00'", "zeroblob(40)", "'0123456789abcdef{}'"])
def test_a_damaged_record_is_one_clear_error_for_its_readers(path: Path, value: str) -> None:
    """Bug: a type or JSON that nobody wrote was an "internal error", and a service could not start over it."""
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE events SET body = {value}")
    connection.execute(f"UPDATE exams SET about = {value}")
    connection.commit()
    connection.close()
    with open_reader(path) as reader:
        exam = reader.exams()[0].exam
        with pytest.raises(InputError, match="Record 1 of exam"):
            reader.events(exam)
        with pytest.raises(InputError, match="Record 0 of exam"):
            reader.about(exam)


def test_a_time_that_is_no_text_any_more_deletes_nothing(path: Path) -> None:
    """Bug: it ended the service at the daily look for old exams."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE exams SET wall = x'00'")
    connection.execute("UPDATE events SET wall = x'00'")
    connection.commit()
    connection.close()
    with open_reader(path) as reader:
        assert exams_older_than(reader.exams(), timedelta(0), datetime.now(timezone.utc)) == ()
