"""The desk and its store: a full disk, a clock that jumps, a service that starts again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import MachineError
from edge.exam import json_from_exam
from edge.exam_events import ClockRestarted, ModelChanged
from edge.exam_keys import ExamKey
from edge.exam_replay import stored_exam
from edge.service.desk_keeper import PROBE_S, REOPENED_MAX
from edge.service.orders import OpenExam
from edge.store_check import check_store
from tests.edge.conftest import MANIFEST
from tests.edge.desk_bench import Bench, Disk, Times, bench, facts, prediction

ROOT = Path(__file__).parents[2]
FEMUR = {"plane": "femur", "fetus": 1}
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.edge.desk_bench import bench
with bench(Path(sys.argv[1])) as desk:
    exam = desk.open()
    desk.scan("femur")
    desk.order("confirm", plane="abdomen", fetus=1)
    print(exam, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def captured_planes(desk: Bench) -> list[str]:
    return [record.plane for record in desk.shown.exam.records if record.capture is not None]


def test_a_full_disk_refuses_captures_with_a_state_and_keeps_the_exam_as_it_is_stored(tmp_path: Path) -> None:
    disk = Disk()
    with bench(tmp_path, disk) as desk:
        desk.open()
        desk.scan("femur")
        disk.free_bytes = 0
        desk.scan("abdomen", 20)
        assert captured_planes(desk) == ["femur"]
        assert (desk.desk.store_state().state, desk.desk.now.refused) == ("full", 1)
        assert desk.is_as_stored(desk.shown.exam)


def test_every_chosen_picture_that_a_full_disk_refuses_is_counted(tmp_path: Path) -> None:
    disk = Disk()
    with bench(tmp_path, disk) as desk:
        desk.open()
        disk.free_bytes = 0
        for _ in range(3):
            desk.answer(desk.frame(is_still=True), prediction("femur"))
        assert desk.desk.now.refused == 3


def test_the_plane_that_is_still_held_is_captured_when_there_is_room_again(tmp_path: Path) -> None:
    disk = Disk()
    with bench(tmp_path, disk) as desk:
        desk.open()
        disk.free_bytes = 0
        desk.scan("femur")
        disk.free_bytes = Disk().free_bytes
        desk.scan("femur", 1)
        assert captured_planes(desk) == ["femur"]


def test_a_full_disk_opens_no_exam_and_its_frames_land_in_no_other(tmp_path: Path) -> None:
    disk = Disk()
    with bench(tmp_path, disk) as desk:
        first = desk.open("PA")
        disk.free_bytes = 0
        desk.scan("femur", key=ExamKey("PB", ""))
        assert (desk.shown.exam.id, captured_planes(desk), desk.desk.now.refused) == (first, [], 1)
        with pytest.raises(MachineError):
            desk.open("PC")
        assert desk.shown.exam.id == first


def test_on_a_full_disk_the_user_may_correct_and_end_but_not_freeze(tmp_path: Path) -> None:
    disk = Disk()
    with bench(tmp_path, disk) as desk:
        desk.open()
        desk.scan("femur", 2)
        disk.free_bytes = 0
        with pytest.raises(MachineError, match="takes no new capture"):
            desk.order("freeze")
        desk.order("confirm", **FEMUR)
        desk.order("end")
        assert desk.is_as_stored(desk.shown.exam)


def test_a_disk_that_fails_is_probed_until_it_works(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        desk.open()
        connection = desk.store._connection  # the test takes the disk's part
        connection.execute("PRAGMA query_only = 1")
        desk.scan("femur")
        with pytest.raises(MachineError):
            desk.order("confirm", **FEMUR)
        assert (captured_planes(desk), desk.desk.store_state().state) == ([], "failed")
        assert desk.is_as_stored(desk.shown.exam)
        connection.execute("PRAGMA query_only = 0")
        desk.wait(PROBE_S)
        assert desk.desk.store_state().state == "ok"
        desk.scan("femur")
        assert captured_planes(desk) == ["femur"]


@pytest.mark.parametrize("wall", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_wall_clock_that_jumps_changes_no_decision(tmp_path: Path, wall: str) -> None:
    states = []
    for folder, jump in ((tmp_path / "steady", None), (tmp_path / "jumps", wall)):
        with bench(folder) as desk:
            exam = desk.open()
            desk.scan("femur", 3)
            desk.times.wall = jump or desk.times.wall
            desk.scan("femur", 4)
            desk.scan("abdomen")
            states.append((desk.captures(exam), desk.shown.exam.clock_s, desk.shown.exam.progress_s))
    assert states[0] == states[1]


def test_after_a_kill_the_exam_is_what_was_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    exam = killed.stdout.strip()
    with bench(tmp_path) as desk:
        assert desk.shown.exam.id == exam
        assert desk.captures(exam) == [("femur", "machine")]
        assert [type(event) for event in desk.events(exam)][-1] is ClockRestarted
        (record,) = [record for record in desk.shown.exam.records if record.capture is not None]
        assert record.capture is not None
        assert desk.desk.picture(exam, record.capture.frame)
        assert desk.is_as_stored(desk.shown.exam)
        check_store(desk.store)


def test_an_exam_of_an_earlier_run_is_shown_and_waits_for_the_user(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        exam = desk.open()
    with bench(tmp_path, times=Times(now_s=5.0), facts=facts(run="run2")) as desk:
        assert (desk.shown.exam.id, desk.shown.is_changed) == (exam, True)
        desk.scan("femur")
        assert captured_planes(desk) == []
        desk.order("acknowledge")
        desk.scan("femur")
        assert captured_planes(desk) == ["femur"]


def test_frames_with_the_key_of_an_earlier_runs_exam_continue_it_at_once(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        exam = desk.open("PA", "1.2")
    with bench(tmp_path, times=Times(now_s=5.0), facts=facts(run="run2")) as desk:
        desk.scan("femur", key=ExamKey("PA", "1.2"))
        assert desk.captures(exam) == [("femur", "machine")]
        assert len(desk.store.exams()) == 1


def test_an_ended_exam_is_not_opened_again(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        desk.open()
        desk.order("end")
    with bench(tmp_path) as desk:
        assert desk.desk.now.shown is None


def test_another_bundle_is_told_of_and_its_coverage_counts(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        exam = desk.open()
    manifest = replace(MANIFEST, reject_labels=("not_standard", "abdomen"))
    with bench(tmp_path, facts=facts(digest="c" * 64, manifest=manifest)) as desk:
        assert [type(event) for event in desk.events(exam)][1:] == [ClockRestarted, ModelChanged]
        assert (desk.shown.exam.bundle, desk.shown.exam.covered) == ("c" * 64, ("femur",))


@pytest.mark.parametrize(
    "event", [{"kind": "of the future"}, {"kind": "captured"}, ["no event"], {"kind": "opened", "exam": 1}]
)
def test_an_exam_that_cannot_be_read_stops_nothing_and_is_told_of(tmp_path: Path, event: Any) -> None:
    with bench(tmp_path) as desk:
        broken, whole = desk.open("PA"), desk.open("PB")
        desk.store.append(broken, "unheard_of", event)
    with bench(tmp_path) as desk:
        assert desk.shown.exam.id == whole
        assert [broken in told.en for told in desk.desk.now.unread] == [True]
        assert len(desk.store.events(broken)) == 2


def test_forgotten_exams_stay_closed_and_are_told_of(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        for number in range(REOPENED_MAX + 2):
            desk.open(f"P{number}")
    with bench(tmp_path) as desk:
        assert len(desk.desk.now.others) == REOPENED_MAX - 1
        (told,) = desk.desk.now.unread
        assert told.en == "2 older exams that are not ended stay closed: edge exam list."
        assert "2次" in told.zh


def test_a_replay_of_the_store_gives_the_exam_byte_for_byte(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        exam = desk.open(fetuses=2)
        desk.scan("femur")
        desk.order("pause")
        desk.order("continue")
        desk.order("fetus", fetus=2)
        desk.scan("abdomen")
        desk.order("not_obtainable", plane="femur", fetus=2, reason="position")
        desk.order("end")
        assert json_from_exam(stored_exam(desk.store, exam).exam) == json_from_exam(desk.shown.exam)
        assert json.loads(json_from_exam(desk.shown.exam))["phase"] == "ended"


def test_a_service_that_starts_again_with_its_first_patient_takes_no_frame_of_the_next_one_for_that(
    tmp_path: Path,
) -> None:
    first = OpenExam("", "PA", "", 1)
    with bench(tmp_path) as desk:
        desk.desk.open_first(first)
        assert not desk.shown.is_changed
        desk.open("PB")
    with bench(tmp_path) as desk:
        desk.desk.open_first(first)
        assert (desk.shown.exam.key.patient, desk.shown.is_changed) == ("PA", True)
        desk.scan("femur")
        assert captured_planes(desk) == []
        desk.order("acknowledge")
        desk.scan("femur")
        assert captured_planes(desk) == ["femur"]
