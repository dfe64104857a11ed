"""The plane check as page and API see it: one view of desk, pump, store and bundle; pictures; metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.checklist import Checklist, checklist_from_exam
from edge.errors import MachineError, UsageError
from edge.exam import Exam
from edge.exam_keys import ExamKey
from edge.exam_watch import FREEZE_AFTER_S, Watch
from edge.record import json_from_record
from edge.service.bedside import Bedside
from edge.service.bridge_reader import BridgeReader
from edge.service.bridge_source import BridgeSource
from edge.service.child import ChildState
from edge.service.counters import Counters
from edge.service.newest import Newest
from edge.service.plane_check import PlaneCheck
from edge.service.signal_state import Signal
from edge.service.status import Status
from tests.edge.conftest import MANIFEST
from tests.edge.desk_bench import Bench, Disk, bench, facts, prediction

STATUS = Status(
    Signal.RUNNING, "camera", True, 0.04, ChildState.READY, None, "", "", Counters(9, 2, 0, 7, 0, 0, {"killed": 1}), ()
)


@dataclass
class Room:
    """A plane check on a desk.

    Attributes:
        status: what the pump says.
    """

    desk: Bench
    newest: Newest = field(default_factory=Newest)
    status: Status = STATUS
    check: Bedside = field(init=False)

    def __post_init__(self) -> None:
        self.check = PlaneCheck(
            self.desk.desk, self.newest, self.desk.facts, lambda: self.status, lambda: b"map",
            lambda: self.desk.times.now_s, lambda: {"cpu": 51.5},
        )  # fmt: skip


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def room(tmp_path: Path, disk: Disk) -> Iterator[Room]:
    with bench(tmp_path, disk, facts=facts(scanner="Voluson E6")) as desk:
        yield Room(desk)


def live(room: Room, **changes: Any) -> None:
    room.check.put_frame(room.desk.frame(**changes))


def test_without_an_exam_the_view_shows_model_source_engine_and_store(room: Room) -> None:
    view = room.check.view()
    assert (view.exam, view.others) == (None, ())
    assert (view.model.name, view.model.digest, view.model.has_threshold) == ("test-planes", "b" * 64, True)
    assert [label.id for label in view.model.labels] == ["abdomen", "femur"]
    assert (view.engine.state, view.engine.restarts, view.engine.dropped, view.engine.answered) == ("ready", 1, 2, 7)
    assert (view.store.state, view.store.refused) == ("ok", 0)
    assert (view.source.kind, view.source.signal, view.source.frame) == ("camera", "running", None)


def test_views_are_numbered_upwards(room: Room) -> None:
    assert [room.check.view().number for _ in range(3)] == [1, 2, 3]


def test_a_view_is_json(room: Room) -> None:
    room.desk.open()
    room.desk.scan("femur")
    live(room)
    assert json.loads(json.dumps(json_from_record(room.check.view()), allow_nan=False))["schema"] == 1


def test_the_view_shows_the_open_exam_and_the_others(room: Room) -> None:
    first = room.desk.open("PA")
    room.desk.open("PB", "S1", fetuses=2)
    room.desk.scan("femur")
    view = room.check.view()
    assert view.exam is not None
    assert (view.exam.patient, view.exam.study, view.exam.checklist.fetuses) == ("PB", "S1", 2)
    assert (view.exam.protocol_en, view.exam.operator) == ("Demonstration, seven planes", "unauthenticated")
    assert view.exam.checklist.live is not None
    assert [(other.exam, other.patient, other.left) for other in view.others] == [(first, "PA", 7)]


def test_exams_that_were_put_aside_cost_a_view_no_checklist(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: 150 studies sent by an archive took three quarters of a core for views alone."""
    for number in range(4):
        room.desk.open(f"P{number}")
    made: list[Exam] = []

    def counted(exam: Exam, now_s: float, watch: Watch | None = None) -> Checklist:
        made.append(exam)
        return checklist_from_exam(exam, now_s, watch)

    monkeypatch.setattr("edge.service.plane_check.checklist_from_exam", counted)
    assert len(room.check.view().others) == 3
    assert len(made) == 1


def test_a_live_frame_with_a_name_is_a_signal_as_any_other(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: only frames without a name counted, and the signal of a bridge that names them was lost."""
    monkeypatch.setattr("edge.service.plane_check.SETTLE_S", 0.0)
    now_s = room.desk.times.now_s
    bridges = BridgeReader(BridgeSource("video"), lambda: now_s)
    bridges.start()
    check = PlaneCheck(
        room.desk.desk, room.newest, room.desk.facts, lambda: STATUS, lambda: b"", lambda: now_s, bridges=bridges
    )
    assert bridges.state(now_s) is Signal.LOST
    assert check.settle_frame(room.desk.frame(source="video", name="video-" + "a" * 16)) == (True, None)
    assert bridges.state(now_s) is Signal.RUNNING


def test_a_change_of_the_exam_stands_in_the_view_until_it_is_acknowledged(room: Room) -> None:
    room.desk.scan("femur", 1, key=ExamKey("PA", ""))
    view = room.check.view()
    assert view.exam is not None
    assert view.exam.is_changed
    room.desk.order("acknowledge")
    after = room.check.view().exam
    assert after is not None
    assert not after.is_changed


def test_a_press_of_the_freeze_key_stands_in_the_view_until_its_picture_is_on_the_disk(room: Room) -> None:
    desk = room.desk
    exam = desk.open()
    desk.live = desk.frame()
    desk.order("freeze")
    shown = room.check.view().exam
    assert shown is not None and shown.is_freezing
    desk.answer(desk.frame(sequence=desk.live.sequence, captured_s=desk.live.captured_s, is_freeze=True), None)
    desk.wait(FREEZE_AFTER_S)
    shown = room.check.view().exam
    assert shown is not None and not shown.is_freezing
    assert desk.captures(exam) == [(None, "freeze")]


def test_the_tray_tells_what_the_model_answered(room: Room) -> None:
    room.desk.open()
    room.desk.answer(room.desk.frame(is_still=True), prediction("femur", 0.3))
    exam = room.check.view().exam
    assert exam is not None
    assert (len(exam.checklist.tray), exam.tray_answers) == (1, ("not_standard",))


@pytest.mark.parametrize(
    ("machine", "measured"), [("Voluson E6 BT16", True), ("Nobody's 3", False), ("", True)], ids=str
)
def test_the_scanner_is_the_frames_own_where_it_tells(room: Room, machine: str, measured: bool) -> None:
    live(room, machine=machine)
    source = room.check.view().source
    assert (source.scanner, source.is_measured) == (machine or "Voluson E6", measured)


def test_a_scanner_that_nobody_names_is_not_said_to_be_measured(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        source = Room(desk).check.view().source
        assert (source.scanner, source.is_measured) == ("", None)


def test_a_demo_says_so(tmp_path: Path) -> None:
    with bench(tmp_path, facts=facts(is_demo=True, credit="Images: somebody", source="demo")) as desk:
        source = Room(desk).check.view().source
        assert (source.is_demo, source.credit) == (True, "Images: somebody")


def test_the_watermark_and_a_missing_threshold_stand_in_the_view(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, watermark="PHANTOM", decision=replace(MANIFEST.decision, threshold=None, kept=None))
    with bench(tmp_path, facts=facts(manifest=manifest)) as desk:
        model = Room(desk).check.view().model
        assert (model.watermark, model.has_threshold) == ("PHANTOM", False)


def test_an_exam_that_cannot_be_opened_again_is_told_with_the_bundles_notices(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        desk.store.append(desk.open(), "unheard_of", {})
    with bench(tmp_path) as desk:
        first, second = Room(desk).check.view().model.notices
        assert (first.en, "could not be opened again" in second.en) == ("a notice", True)
        assert "无法重新打开" in second.zh


def test_a_full_store_stands_in_the_view(room: Room, disk: Disk) -> None:
    room.desk.open()
    disk.free_bytes = 0
    room.desk.scan("femur")
    store = room.check.view().store
    assert (store.state, store.refused, bool(store.reason)) == ("full", 1, True)


def test_the_live_picture_is_gray_and_small_enough(room: Room) -> None:
    live(room, pixels=np.full((1080, 1920, 3), 90, np.uint8))
    newest = room.check.live_jpeg(-1)
    assert newest is not None
    number, jpeg = newest
    picture = Image.open(BytesIO(jpeg))
    assert (number, picture.mode, picture.size) == (0, "L", (1024, 576))
    assert room.check.view().source.frame == number


def test_the_live_picture_is_given_once_and_made_once(room: Room) -> None:
    assert room.check.live_jpeg(-1) is None
    live(room)
    first = room.check.live_jpeg(-1)
    assert first is not None
    assert room.check.live_jpeg(first[0]) is None
    again = room.check.live_jpeg(-1)
    assert again is not None
    assert again[1] is first[1]
    live(room)
    second = room.check.live_jpeg(first[0])
    assert second is not None
    assert second[0] == first[0] + 1


def test_a_stored_picture_is_given_and_another_is_not(room: Room) -> None:
    exam = room.desk.open()
    room.desk.answer(room.desk.frame(is_still=True), prediction("femur"))
    view = room.check.view().exam
    assert view is not None
    frame = next(row.frame for row in view.checklist.rows if row.frame)
    assert room.check.picture(exam, frame).startswith(b"\xff\xd8")
    with pytest.raises(UsageError):
        room.check.picture("no exam", frame)


def test_the_map_is_the_engines(room: Room) -> None:
    assert room.check.attention_png() == b"map"


def test_metrics_tell_of_service_and_desk_and_name_nobody(room: Room, disk: Disk) -> None:
    room.desk.open("SECRET-PATIENT")
    disk.free_bytes = 0
    room.desk.scan("femur")
    text = room.check.metrics()
    for line in (
        "vmamba_edge_answers_total 7",
        "vmamba_edge_refused_captures_total 1",
        'vmamba_edge_store{state="full"} 1',
        "vmamba_edge_open_exams 1",
        'vmamba_edge_temperature_celsius{zone="cpu"} 51.5',
    ):
        assert line in text.splitlines()
    assert "SECRET" not in text


def test_a_view_does_not_wait_for_a_disk_that_hangs(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    exam, writing, hangs = room.desk.open(), threading.Event(), threading.Event()

    def append(*_: object, **__: object) -> int:
        writing.set()
        hangs.wait(10)
        raise MachineError("The disk hangs.", "Wait.")

    monkeypatch.setattr(room.desk.store, "append", append)
    frame = room.desk.frame(is_still=True)
    thread = threading.Thread(target=room.desk.answer, args=(frame, prediction("femur")))
    thread.start()
    assert writing.wait(10)
    view = room.check.view()
    assert thread.is_alive()
    assert view.exam is not None
    assert view.exam.checklist.exam == exam
    hangs.set()
    thread.join()
    assert room.check.view().store.refused == 1
