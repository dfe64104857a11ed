from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.audit import UNAUTHENTICATED
from edge.errors import InputError, MachineError, UsageError
from edge.store import store_path
from edge.store_check import check_store
from edge.store_reader import open_reader
from edge.store_rows import MAX_EVENT_BYTES, MAX_JPEG_BYTES, StoredEvent
from tests.edge.stored import BUNDLE, WALL, filled, jpeg_from_seed, opened


def test_what_was_appended_is_there_after_the_next_opening(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with opened(path) as store:
        exam = store.new_exam({"patient": "王芳", "key": "K1"}, BUNDLE, "op7")
        assert store.append(exam, "freeze", {"plane": "TV", "p": 0.5}) == 1
        assert store.append(exam, "capture", {"plane": "腹"}, jpeg_from_seed(1)) == 2
    with opened(path) as store:
        assert store.about(exam) == {"patient": "王芳", "key": "K1"}
        assert store.events(exam) == (
            StoredEvent(1, "freeze", WALL, {"plane": "TV", "p": 0.5}, False),
            StoredEvent(2, "capture", WALL, {"plane": "腹"}, True),
        )
        assert store.jpeg(exam, 2) == jpeg_from_seed(1)
        assert store.append(exam, "end", {}) == 3


def test_an_exam_is_summed_up_without_its_patient(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = filled(store, "Li", events=2)
        store.append(exam, "end", {})
        (found,) = store.exams()
    assert (found.exam, found.operator, found.bundle, found.events, found.captures) == (exam, "op7", BUNDLE, 3, 2)
    assert "Li" not in repr(found)


def test_nobody_picked_is_recorded_as_unauthenticated(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = store.new_exam({}, BUNDLE)
        store.append(exam, "capture", {})
        assert {entry.operator for entry in store.audit()} == {UNAUTHENTICATED} == {store.exam(exam).operator}


def test_order_comes_from_sequence_numbers_whatever_the_clock_tells(tmp_path: Path) -> None:
    times = ["2026-03-01T08:00:00+00:00", "2038-01-19T03:14:08Z", "1970-01-01T00:00:00+00:00", "0001-01-01T00:00:00"]
    clock = iter(times)
    with opened(tmp_path / "x.db", wall=lambda: next(clock)) as store:
        exam = store.new_exam({}, BUNDLE)
        assert [store.append(exam, "tick", {"n": n}) for n in range(3)] == [1, 2, 3]
        assert [(event.event["n"], event.wall) for event in store.events(exam)] == list(enumerate(times[1:]))
        assert store.exam(exam).last == times[-1]
        assert check_store(store).records == 4


def test_a_second_service_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    program = f"""
import sys
from tests.edge.stored import opened
from pathlib import Path
with opened(Path({str(path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(MachineError, match=rf"process {other.pid}\) holds the exam store"), opened(path):
            pass
        other.kill()
        other.wait()
        with opened(path) as store:  # a lock ends with its holder
            assert store.exams() == ()


def test_two_stores_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(path), pytest.raises(MachineError, match="holds the exam store"), opened(path):
        pass


def test_readers_stand_beside_the_service_and_see_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with opened(path) as store:
        exam = filled(store, "Li")
        with open_reader(path) as reader:
            assert len(reader.events(exam)) == 3
            store.append(exam, "capture", {}, jpeg_from_seed(5))
            assert reader.jpeg(exam, 4) == jpeg_from_seed(5)
            assert check_store(reader).records == 5


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        filled(store, "Li")
    with open_reader(tmp_path / "x.db") as reader, pytest.raises(MachineError, match="readonly"):
        reader._rows("DELETE FROM audit")


def test_threads_append_and_read_at_the_same_time(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = store.new_exam({}, BUNDLE)
        wrong: list[int] = []

        def work() -> None:
            for _ in range(15):
                sequence = store.append(exam, "capture", {}, jpeg_from_seed(1))
                if len(store.events(exam)) < sequence or store.exam(exam).captures < sequence:
                    wrong.append(sequence)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert [event.sequence for event in store.events(exam)] == list(range(1, 61))


@pytest.mark.parametrize(
    ("kind", "event", "jpeg"),
    [
        ("exam.deleted", {}, None),
        ("free text", {}, None),
        ("", {}, None),
        ("x" * 65, {}, None),
        ("capture", {"p": float("nan")}, None),
        ("capture", {"p": object()}, None),
        ("capture", {"p": "x" * MAX_EVENT_BYTES}, None),
        ("capture", {}, b""),
        ("capture", {}, b"\x89PNG"),
        ("capture", {}, b"\xff\xd8" * MAX_JPEG_BYTES),
    ],
)
def test_what_is_no_event_is_refused_and_nothing_is_written(
    tmp_path: Path, kind: str, event: dict[str, object], jpeg: bytes | None
) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = store.new_exam({}, BUNDLE)
        with pytest.raises(InputError):
            store.append(exam, kind, event, jpeg)
        assert store.events(exam) == ()
        assert store.append(exam, "capture", {}) == 1
        assert check_store(store).records == 2


@pytest.mark.parametrize(("bundle", "operator"), [("none", None), (BUNDLE, "Anna Schmidt"), (BUNDLE, "王芳")])
def test_an_exam_with_a_name_where_an_id_belongs_is_refused(tmp_path: Path, bundle: str, operator: str | None) -> None:
    with opened(tmp_path / "x.db") as store:
        with pytest.raises(InputError, match="audit entry"):
            store.new_exam({}, bundle, operator)
        assert store.exams() == ()


def test_an_event_with_a_name_where_an_id_belongs_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = filled(store, "Li")
        with pytest.raises(InputError, match="operator"):
            store.append(exam, "confirmed", {}, operator="Anna Schmidt")
        assert len(store.events(exam)) == 3


def test_an_unknown_exam_or_image_is_a_usage_error(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = store.new_exam({}, BUNDLE)
        store.append(exam, "freeze", {})
        for call in (
            lambda: store.append("x", "freeze", {}),
            lambda: store.delete("x"),
            lambda: store.exam("x"),
            lambda: store.about("x"),
            lambda: store.events("x"),
            lambda: store.jpeg(exam, 1),
        ):
            with pytest.raises(UsageError):
                call()


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with opened(path) as store:
        filled(store, "Li")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("exams.db", "exams.db-wal", "exams.db-shm", "exams.db.lock"), 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_machine_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"), opened(tmp_path / "file" / "x.db"):
        pass
