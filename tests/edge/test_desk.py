"""The exam desk: frames in, captures on the disk; orders; the freeze key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import UsageError
from edge.exam_events import Captured, Ended, Paused
from edge.exam_watch import FREEZE_AFTER_S
from edge.service.answer import Answer
from edge.service.orders import ORDERS
from edge.service.roi import Roi
from tests.edge.desk_bench import Bench, bench, picture, prediction


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def freezes(desk: Bench, exam: str) -> list[tuple[str | None, str]]:
    return [capture for capture in desk.captures(exam) if capture[1] == "freeze"]


def test_a_held_plane_is_captured_and_stored_with_its_picture(desk: Bench) -> None:
    exam = desk.open()
    desk.scan("femur")
    assert desk.captures(exam) == [("femur", "machine")]
    record = desk.shown.exam.record("femur", 1)
    assert record is not None
    assert record.capture is not None
    assert desk.desk.picture(exam, record.capture.frame).startswith(b"\xff\xd8")
    assert desk.is_as_stored(desk.shown.exam)


def test_names_of_frames_begin_with_the_run(desk: Bench) -> None:
    exam = desk.open()
    desk.scan("femur")
    names = [event.capture.frame for event in desk.events(exam) if isinstance(event, Captured)]
    assert [name.startswith("run1-") for name in names] == [True]


def test_no_picture_is_kept_longer_than_the_watch_asks_for_it(desk: Bench) -> None:
    desk.open()
    desk.scan("femur", 40)
    assert set(desk.shown.pictures) == set(desk.shown.watch.frames)
    desk.wait(3.0)
    assert desk.shown.pictures == {}


def test_without_an_exam_nothing_is_captured(desk: Bench) -> None:
    desk.scan("femur")
    assert desk.desk.now.shown is None
    assert desk.store.exams() == ()


def test_the_stored_picture_holds_the_region_alone(desk: Bench) -> None:
    exam = desk.open()
    screen = np.full((200, 300), 255, np.uint8)
    roi = Roi(100, 50, 96, 96)
    for _ in range(6):
        desk.times.now_s += 0.1
        screen[50:146, 100:196] = picture(desk.number + 1)
        desk.answer(desk.frame(pixels=roi.cut(screen)), prediction("femur"))
    (record,) = [record for record in desk.shown.exam.records if record.capture is not None]
    assert record.capture is not None
    stored = np.asarray(Image.open(BytesIO(desk.desk.picture(exam, record.capture.frame))))
    assert stored.shape == (96, 96)
    assert stored.max() < 200  # the screen around is 255


@pytest.mark.parametrize("answered", [True, False])
def test_a_press_gives_one_capture(desk: Bench, answered: bool) -> None:
    exam = desk.open()
    desk.scan("femur", 2)
    desk.order("freeze")
    desk.order("freeze")
    assert desk.live is not None
    frozen = desk.frame(sequence=desk.live.sequence, pixels=desk.live.pixels, captured_s=desk.live.captured_s)
    desk.answer(
        desk.frame(sequence=frozen.sequence, pixels=frozen.pixels, captured_s=frozen.captured_s, is_freeze=True),
        prediction("femur") if answered else None,
    )
    desk.scan("femur", 6)
    assert freezes(desk, exam) == [("femur", "freeze")]


def test_a_press_waits_for_an_engine_that_is_away(desk: Bench) -> None:
    exam = desk.open()
    desk.live = desk.frame()
    desk.order("freeze")
    desk.wait(5.0)
    assert freezes(desk, exam) == []
    frozen = desk.frame(sequence=desk.live.sequence, captured_s=desk.live.captured_s, is_freeze=True)
    desk.answer(frozen, prediction("femur"))
    desk.wait(FREEZE_AFTER_S)
    assert freezes(desk, exam) == [("femur", "freeze")]


def test_what_the_user_froze_is_kept_though_the_engine_refused_it(desk: Bench) -> None:
    exam = desk.open()
    desk.live = desk.frame()
    desk.order("freeze")
    desk.answer(desk.frame(sequence=desk.live.sequence, captured_s=desk.live.captured_s, is_freeze=True), None)
    desk.wait(FREEZE_AFTER_S)
    assert freezes(desk, exam) == [(None, "freeze")]
    assert [capture.answer for capture in desk.shown.exam.tray] == ["not_covered"]


@pytest.mark.parametrize(("order", "kind"), [("pause", Paused), ("end", Ended)])
def test_a_press_is_answered_before_the_exam_stops(desk: Bench, order: str, kind: type) -> None:
    exam = desk.open()
    desk.scan("femur", 2)
    desk.order("freeze")
    desk.order(order)
    kinds = [type(event) for event in desk.events(exam)]
    assert kinds[-2:] == [Captured, kind]


def test_a_press_before_a_switch_of_the_fetus_is_the_first_ones(desk: Bench) -> None:
    exam = desk.open(fetuses=2)
    desk.scan("femur", 2)
    desk.order("freeze")
    desk.order("fetus", fetus=2)
    (captured,) = [event for event in desk.events(exam) if isinstance(event, Captured)]
    assert captured.capture.fetus == 1
    assert desk.shown.exam.fetus == 2


def test_without_a_fresh_picture_the_freeze_key_is_refused(desk: Bench) -> None:
    desk.open()
    with pytest.raises(UsageError, match="no fresh picture"):
        desk.order("freeze")


def test_a_still_is_taken_in_a_pause_and_a_live_frame_is_not(desk: Bench) -> None:
    exam = desk.open()
    desk.order("pause")
    desk.scan("femur")
    desk.answer(desk.frame(is_still=True), prediction("abdomen"))
    assert desk.captures(exam) == [("abdomen", "store")]


def test_stills_after_the_end_are_counted_and_not_taken(desk: Bench) -> None:
    exam = desk.open()
    desk.order("end")
    desk.answer(desk.frame(is_still=True), prediction("abdomen"))
    desk.scan("femur")
    assert desk.captures(exam) == []
    assert (desk.shown.late_stills, desk.desk.now.late_stills) == (1, 1)


def test_a_still_that_the_engine_refused_waits_in_the_tray(desk: Bench) -> None:
    desk.open()
    desk.answer(desk.frame(is_still=True), None)
    assert [capture.answer for capture in desk.shown.exam.tray] == ["not_covered"]


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((64, 64, 1), np.uint8), np.zeros((64, 64))])
def test_a_still_that_is_no_picture_is_left_out(desk: Bench, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    desk.open()
    desk.answer(desk.frame(is_still=True, pixels=pixels), None)
    assert desk.shown.exam.tray == ()


def test_orders_and_ticks_while_answers_stream_leave_the_exam_as_it_is_stored(desk: Bench) -> None:
    desk.open(fetuses=2)
    done, failures = threading.Event(), []

    def user(seed: int) -> None:
        rng = np.random.default_rng(seed)
        names = [name for name in ORDERS if name not in ("open", "end")]
        while not done.is_set():
            plane = {"plane": "femur", "fetus": 1}
            given = {"not_obtainable": plane | {"reason": "r"}, "confirm": plane, "take_back": plane}
            given |= {"fetus": {"fetus": int(rng.integers(1, 3))}, "unassign": {"frame": f"run1-{desk.number}"}}
            name = str(rng.choice([name for name in names if name != "reassign"]))
            try:
                desk.order(name, **given.get(name, {}))
            except UsageError:
                pass
            except Exception as error:  # noqa: BLE001  # told in the test's own thread
                failures.append(error)
            desk.desk.tick()

    users = [threading.Thread(target=user, args=(seed,)) for seed in range(3)]
    for thread in users:
        thread.start()
    for _ in range(40):
        desk.times.now_s += 0.1
        frame = desk.frame()
        desk.live = None  # a press without its frame would wait for ever
        desk.desk.take_answer(Answer(frame, prediction("femur"), "", desk.times.now_s))
    done.set()
    for thread in users:
        thread.join()
    assert failures == []
    assert desk.is_as_stored(desk.shown.exam)


def test_a_press_that_waits_at_the_end_of_the_service_is_kept(desk: Bench) -> None:
    exam = desk.open()
    desk.scan("femur", 2)
    desk.order("freeze")
    desk.desk.settle()
    assert freezes(desk, exam) == [("femur", "freeze")]
    assert desk.is_as_stored(desk.shown.exam)


def test_frames_from_before_a_switch_are_not_the_next_fetus_however_late_their_answers_come(desk: Bench) -> None:
    exam = desk.open(fetuses=2)
    waiting = []
    for _ in range(6):
        desk.times.now_s += 0.1
        waiting.append(desk.frame())
    still = desk.frame(is_still=True)
    desk.times.now_s += 0.1
    desk.order("fetus", fetus=2)
    for frame in waiting:
        desk.answer(frame, prediction("femur"))
    assert desk.captures(exam) == []
    desk.answer(still, prediction("femur"))
    (captured,) = [event for event in desk.events(exam) if isinstance(event, Captured)]
    assert captured.capture.fetus == 1
    desk.scan("femur")
    assert {record.fetus for record in desk.shown.exam.records if record.capture is not None} == {1, 2}
    assert desk.is_as_stored(desk.shown.exam)
