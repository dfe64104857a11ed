"""What a bridge is told of a frame with a name: only what is on the disk is "kept", and nothing is kept twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.exam_keys import ExamKey
from edge.prediction import Prediction
from edge.service.frame import Frame
from edge.service.newest import Newest
from edge.service.plane_check import PlaneCheck
from edge.service.settlement import DROPPED, JUDGED, KEPT, LATE, NOBODYS, REFUSED, UNREAD, Settlement
from tests.edge.desk_bench import Bench, Disk, bench, picture, prediction
from tests.edge.test_plane_check import STATUS

NAME = "dicom-" + "0123456789abcdef" * 2


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def desk(tmp_path: Path, disk: Disk) -> Iterator[Bench]:
    with bench(tmp_path, disk) as made:
        yield made


def told(desk: Bench, frame: Frame, said: Prediction | None) -> str | None:
    settlement = Settlement()
    desk.answer(replace(frame, on_settled=settlement.tell), said)
    return settlement.wait(0.0)


def still(desk: Bench, **changes: object) -> Frame:
    return desk.frame(**{"key": ExamKey("P1", "S1"), "is_still": True, "name": NAME, **changes})


def test_a_still_is_told_to_be_kept_when_its_capture_is_stored_under_its_name(desk: Bench) -> None:
    assert told(desk, still(desk), prediction("femur")) == KEPT
    assert NAME in desk.shown.stored
    assert desk.desk.picture(desk.shown.exam.id, NAME)[:2] == b"\xff\xd8"


def test_a_still_that_is_sent_again_is_kept_once_after_a_restart_too(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        for _ in range(2):
            assert told(desk, still(desk), prediction("femur", 0.3)) == KEPT
    with bench(tmp_path) as desk:
        assert told(desk, still(desk), prediction("femur", 0.3)) == KEPT
        assert len(desk.captures(desk.shown.exam.id)) == 1


def test_a_still_that_the_engine_refused_is_kept_all_the_same(desk: Bench) -> None:
    assert told(desk, still(desk), None) == KEPT


def test_a_still_that_the_full_disk_takes_not_is_to_be_sent_again(desk: Bench, disk: Disk) -> None:
    assert told(desk, still(desk), prediction("femur")) == KEPT
    disk.free_bytes = 0
    assert told(desk, still(desk, name=NAME + "2"), prediction("abdomen")) == REFUSED
    assert told(desk, still(desk, key=ExamKey("P2", "")), prediction("femur")) == REFUSED  # no exam can be opened
    disk.free_bytes = Disk().free_bytes
    desk.wait(3.0)
    assert told(desk, still(desk, name=NAME + "2"), prediction("abdomen")) == KEPT


def test_frames_that_nobody_keeps_are_told_why(desk: Bench) -> None:
    assert told(desk, still(desk, key=None), prediction()) == NOBODYS
    assert told(desk, desk.frame(ExamKey("P1", "S1")), prediction()) == JUDGED
    assert told(desk, still(desk, pixels=picture(1, 16)), None) == UNREAD
    desk.order("end")
    assert told(desk, still(desk), prediction()) == LATE


def test_a_live_frame_that_a_newer_one_replaces_is_told_to_be_dropped(desk: Bench) -> None:
    newest, settlement = Newest(), Settlement()
    newest.put(replace(desk.frame(), on_settled=settlement.tell))
    assert settlement.wait(0.0) is None
    newest.put(desk.frame())
    assert settlement.wait(0.0) == DROPPED


def test_the_plane_check_waits_for_what_becomes_of_a_frame(desk: Bench) -> None:
    newest = Newest()
    check = PlaneCheck(desk.desk, newest, desk.facts, lambda: STATUS, lambda: b"", lambda: desk.times.now_s)

    def engine() -> None:
        frame = newest.take(10.0)
        assert frame is not None
        desk.answer(frame, prediction("femur"))

    thread = threading.Thread(target=engine)
    thread.start()
    assert check.settle_frame(still(desk)) == (True, KEPT)
    thread.join()
    newest.close()
    assert check.settle_frame(still(desk)) == (False, None)
