from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge import store_schema
from edge.errors import DeviceError, InputError, MachineError, UsageError
from edge.store_check import check_exam, check_store
from edge.store_reader import open_reader
from edge.store_schema import VERSION
from tests.edge.stored import filled, opened

# of the first version, whose events had no operator
FIRST_INSERT = "INSERT INTO events SELECT NULL, ?1, ?2, ?3, ?4, zeroblob(?5), ?6 WHERE ?7 IS NULL"


def changed(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_the_store_is_as_durable_as_sqlite_can_be(tmp_path: Path) -> None:
    settings = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "auto_vacuum": 2, "page_size": 4096}
    settings |= {"foreign_keys": 1, "temp_store": 2, "user_version": VERSION}
    for _ in range(2):  # made, and opened again
        with opened(tmp_path / "x.db") as store:
            assert {name: store._rows(f"PRAGMA {name}")[0][0] for name in settings} == settings


def test_a_store_of_a_newer_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        filled(store, "Li")
    changed(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(DeviceError, match="newer program"), opened(path):
        pass
    with pytest.raises(DeviceError, match="newer program"), open_reader(path):
        pass
    assert path.read_bytes() == before


def test_an_older_store_is_migrated_and_keeps_its_exams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        exam = filled(store, "Li")
    migrations = (*store_schema.MIGRATIONS, ("ALTER TABLE exams ADD COLUMN added TEXT",))
    monkeypatch.setattr(store_schema, "MIGRATIONS", migrations)
    monkeypatch.setattr("edge.store_reader.VERSION", VERSION + 1)
    with pytest.raises(UsageError, match=f"schema version {VERSION}"), open_reader(path):
        pass
    monkeypatch.setattr(store_schema, "VERSION", VERSION + 1)
    with opened(path) as store:
        assert store._rows("SELECT added FROM exams") == [(None,)]
        assert len(store.events(exam)) == 3
        assert check_store(store).records == 4


def test_events_from_before_they_had_an_operator_are_the_exams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    with monkeypatch.context() as patch:
        patch.setattr(store_schema, "MIGRATIONS", store_schema.MIGRATIONS[:1])
        patch.setattr("edge.store.INSERT_EVENT", FIRST_INSERT)
        with opened(path) as store:
            exam = filled(store, "Li")
    with opened(path) as store:
        store.append(exam, "later", {}, operator="op9")
        assert [entry.operator for entry in store.audit()] == ["op7"] * 4 + ["op9"]
        assert (check_store(store).records, store.exam(exam).operator) == (5, "op9")
        check_exam(store, exam)


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        exam = filled(store, "Li")
    broken = ("ALTER TABLE exams ADD COLUMN added TEXT", "CREATE TABLE exams (again TEXT)")
    with monkeypatch.context() as patch:
        patch.setattr(store_schema, "MIGRATIONS", (*store_schema.MIGRATIONS, broken))
        with pytest.raises(MachineError, match="already exists"), opened(path):
            pass
    with opened(path) as store:
        assert len(store.events(exam)) == 3


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(4096), b"\xff" * 10_000])
def test_another_file_is_refused_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(InputError), opened(path):
        pass
    with pytest.raises(InputError), open_reader(path):
        pass
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    changed(path, "CREATE TABLE songs (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="no exam store"), opened(path):
        pass
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_whose_making_was_cut_short_is_made_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with opened(path) as store:
        filled(store, "Li")
        assert store._rows("PRAGMA auto_vacuum") == [(2,)]


def test_there_is_no_store_to_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no exam store"), open_reader(tmp_path / "x.db"):
        pass
    assert list(tmp_path.iterdir()) == []
