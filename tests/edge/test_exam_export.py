from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edge.exam_vault import key_file, made_vault
from edge.store import store_path
from tests.conftest import Command, check_told
from tests.edge.reports.exams import stored
from tests.edge.stored import opened


@pytest.fixture
def exam(tmp_path: Path) -> str:
    with opened(store_path(tmp_path / "home")) as store:
        return stored(store)


def test_an_export_is_a_folder_of_files_for_its_user_alone(edge: Command, exam: str, tmp_path: Path) -> None:
    done = edge("exam", "export", exam, "-o", tmp_path / "out", "--json")
    files = sorted((tmp_path / "out").iterdir())
    assert done.code == 0
    assert sorted(done.document["files"]) == [str(file) for file in files]
    ends = [file.name.removeprefix(exam) for file in files]
    assert ends == ["-0003.jpg", "-0004.jpg", "-0006.jpg", "-0008.jpg", "-0009.jpg", ".fhir.json", ".json", ".pdf"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert "hold patient data" in done.err
    assert "not for clinical decisions" in done.err


def test_json_and_fhir_are_the_same_bytes_each_time(edge: Command, exam: str, tmp_path: Path) -> None:
    for kind in ("json", "fhir", "pdf"):
        for name in ("a", "b"):
            assert edge("exam", "export", exam, "--format", kind, "-o", tmp_path / f"{name}.{kind}").code == 0
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert json.loads((tmp_path / "a.json").read_bytes())["exam"] == exam


def test_the_default_is_a_folder_named_after_the_exam(
    edge: Command, exam: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert edge("exam", "export", exam, "--format", "json").out.splitlines()[0] == f"{exam}/{exam}.json"


def test_nothing_is_overwritten_unless_it_is_forced(edge: Command, exam: str, tmp_path: Path) -> None:
    command = ("exam", "export", exam, "-o", tmp_path / "out")
    assert edge(*command, "--format", "fhir").code == 0
    check_told(edge(*command), 2, "is there already")
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert edge(*command, "--force").code == 0
    (tmp_path / "file").write_text("")
    check_told(edge("exam", "export", exam, "-o", tmp_path / "file"), 2, "writes into a folder")


def test_an_encrypted_store_is_exported_with_its_key(edge: Command, tmp_path: Path) -> None:
    path, home = tmp_path / "y.db", tmp_path / "home"
    with opened(path, vault=made_vault(home)) as store:
        exam = stored(store)
    command = ("exam", "export", exam, "--store", path, "-o", tmp_path / "out")
    assert edge(*command).code == 0
    assert json.loads((tmp_path / "out" / f"{exam}.json").read_bytes())["patient"] == "HN-2201"
    key_file(home).unlink()
    check_told(edge(*command, "--force"), 6, "is not on this device")


def test_an_unknown_or_deleted_exam_is_told(edge: Command, exam: str, tmp_path: Path) -> None:
    check_told(edge("exam", "export", "nobody"), 2, "There is no exam nobody")
    assert edge("exam", "delete", exam, "--yes").code == 0
    check_told(edge("exam", "export", exam), 2, "There is no exam")
    check_told(edge("exam", "export", exam, "--store", tmp_path / "absent.db"), 2, "no exam store")


def test_a_tampered_record_and_a_damaged_store_are_told(edge: Command, exam: str, tmp_path: Path) -> None:
    path = store_path(tmp_path / "home")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE jpegs SET jpeg = zeroblob(20) WHERE event = 4")
    check_told(edge("exam", "export", exam, "-o", tmp_path / "out"), 6, "disagree")
    assert not (tmp_path / "out").exists()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"x" * (len(whole) - 8192))
    check_told(edge("exam", "export", exam), 3, "damaged")


def test_a_pdf_without_reportlab_names_the_extra(
    edge: Command, exam: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "reportlab"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reportlab", None)
    done = edge("exam", "export", exam, "--format", "pdf", "-o", tmp_path / "x.pdf")
    check_told(done, 4, "'reportlab' is not installed")
    assert "pip install '.[serve]'" in done.err
    assert edge("exam", "export", exam, "--format", "json", "-o", tmp_path / "x.json").code == 0


def test_what_a_person_must_know_is_told(edge: Command, tmp_path: Path) -> None:
    with opened(store_path(tmp_path / "home")) as store:
        exam = stored(store, marks=None, ended=False)
    err = edge("exam", "export", exam, "--format", "json", "-o", tmp_path / "x.json").err
    assert "watermark was not recorded" in err
    assert "is not ended" in err
