from __future__ import annotations

from pathlib import Path

import pytest

from edge.exam_vault import key_file, made_vault
from edge.store import store_path
from tests.conftest import Command, check_told
from tests.edge.stored import filled, opened

OLD = "2020-01-01T00:00:00+00:00"


@pytest.fixture
def exams(tmp_path: Path) -> tuple[str, str]:
    """The ids of an old and a new exam in the device's store."""
    wall = [OLD]
    with opened(store_path(tmp_path / "home"), wall=lambda: wall[0]) as store:
        old = filled(store, "Wang-Fang")
        wall[0] = "2099-01-01T00:00:00+00:00"
        return old, filled(store, "Li", events=1)


def test_list_shows_every_exam_and_no_name(edge: Command, exams: tuple[str, str]) -> None:
    done = edge("exam", "list", "--json")
    assert [(exam["exam"], exam["captures"]) for exam in done.document["exams"]] == [(exams[0], 3), (exams[1], 1)]
    table = edge("exam", "list")
    assert table.code == 0
    assert exams[0] in table.out
    assert "Wang" not in done.out + table.out


def test_show_tells_the_patient_and_the_events(edge: Command, exams: tuple[str, str]) -> None:
    document = edge("exam", "show", exams[0], "--json").document
    assert document["about"]["patient"] == "Wang-Fang"
    assert document["recorded"][2]["event"] == {"note": "Wang-Fang-event-3", "number": 3}
    assert "Wang-Fang-event-3" in edge("exam", "show", exams[0]).out


def test_verify_prints_the_head_and_compares_a_noted_one(edge: Command, exams: tuple[str, str]) -> None:
    found = edge("exam", "verify", "--json").document
    assert (found["valid"], found["exams"], found["records"]) == (True, 2, 6)
    assert edge("exam", "verify", "--head", found["head"]).out.startswith("valid: 2 exams, 6 records")
    check_told(edge("exam", "verify", "--head", "6:" + "0" * 64), 6, "rewritten")
    check_told(edge("exam", "verify", "--head", "six"), 2, "no head")


def test_delete_asks_for_yes(edge: Command, exams: tuple[str, str]) -> None:
    check_told(edge("exam", "delete", exams[0]), 2, "3 captures) would be gone for good")
    assert len(edge("exam", "list", "--json").document["exams"]) == 2
    done = edge("exam", "delete", exams[0], "--yes", "--operator", "op9", "--json")
    assert done.document == {"schema": 1, "deleted": [exams[0]]}
    assert edge("exam", "verify", "--json").document["deleted"] == 1
    check_told(edge("exam", "delete", exams[0], "--yes"), 2, "There is no exam")


def test_a_deleted_exam_is_gone_from_every_file(edge: Command, exams: tuple[str, str], tmp_path: Path) -> None:
    folder = store_path(tmp_path / "home").parent
    assert any(b"Wang-Fang" in file.read_bytes() for file in folder.iterdir())
    assert edge("exam", "delete", exams[0], "--yes").out == f"deleted: {exams[0]}\n"
    assert not any(b"Wang-Fang" in file.read_bytes() for file in folder.iterdir())


def test_purge_takes_the_old_and_asks_for_yes(edge: Command, exams: tuple[str, str]) -> None:
    check_told(edge("exam", "purge", "--older-than", "30d"), 2, "1 exam(s) older than 30d would be gone for good")
    assert edge("exam", "purge", "--older-than", "30d", "--yes", "--json").document["deleted"] == [exams[0]]
    assert edge("exam", "purge", "--older-than", "30d").out == "nothing to delete\n"
    assert [exam["exam"] for exam in edge("exam", "list", "--json").document["exams"]] == [exams[1]]


def test_purge_of_everything_needs_a_word_more(edge: Command, exams: tuple[str, str]) -> None:
    assert edge("exam", "delete", exams[1], "--yes").code == 0
    check_told(edge("exam", "purge", "--older-than", "30d", "--yes"), 2, "Every exam")
    assert edge("exam", "purge", "--older-than", "30d", "--yes", "--every").code == 0


def test_a_running_service_is_read_beside_and_not_deleted_from(
    edge: Command, exams: tuple[str, str], tmp_path: Path
) -> None:
    with opened(store_path(tmp_path / "home")) as store:
        assert len(edge("exam", "list", "--json").document["exams"]) == 2
        assert edge("exam", "verify").code == 0
        check_told(edge("exam", "delete", exams[0], "--yes"), 1, "holds the exam store")
        assert len(store.events(exams[0])) == 3


@pytest.mark.parametrize("command", ["list", "show x", "verify", "delete x", "purge --older-than 1d"])
def test_no_store_is_told_and_none_is_made(edge: Command, tmp_path: Path, command: str) -> None:
    check_told(edge("exam", *command.split()), 2, "no exam store")
    assert not store_path(tmp_path / "home").exists()


def test_another_store_and_a_lost_key(edge: Command, tmp_path: Path) -> None:
    path, home = tmp_path / "y.db", tmp_path / "home"
    with opened(path, vault=made_vault(home)) as store:
        exam = filled(store, "Wang-Fang")
    assert edge("exam", "show", exam, "--store", path, "--json").document["about"]["patient"] == "Wang-Fang"
    key_file(home).unlink()
    check_told(edge("exam", "show", exam, "--store", path), 6, "is not on this device")
    assert edge("exam", "list", "--store", path).code == 0
    assert edge("exam", "delete", exam, "--store", path, "--yes").code == 0


def test_a_file_that_is_no_store_is_bad_input(edge: Command, tmp_path: Path) -> None:
    (tmp_path / "y.db").write_text("no store")
    check_told(edge("exam", "list", "--store", tmp_path / "y.db"), 3, "no exam store")
