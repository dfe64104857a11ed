"""The box between reader and pump: newest wins, drops are counted, stills and freezes stay."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from edge.service.frame import Frame
from edge.service.newest import KEPT_MAX, SHOWN_S, Newest

WAIT_S = 60.0  # a loaded machine
PIXELS = np.zeros((32, 32), np.uint8)


def live(sequence: int, captured_s: float = 0.0) -> Frame:
    return Frame(PIXELS, sequence, captured_s, "camera")


def still(sequence: int) -> Frame:
    return Frame(PIXELS, sequence, 0.0, "folder", is_still=True)


def taken(box: Newest) -> int | None:
    frame = box.take(0)
    return None if frame is None else frame.sequence


def test_the_newest_live_frame_wins_and_the_others_are_counted() -> None:
    box = Newest()
    for sequence in range(5):
        box.put(live(sequence))
    assert (taken(box), taken(box)) == (4, None)
    assert (box.counts.frames, box.counts.dropped) == (5, 4)


def test_stills_come_first_in_their_order_and_none_is_dropped() -> None:
    box = Newest()
    for frame in (live(0), still(1), live(2), still(3)):
        box.put(frame)
    assert [taken(box) for _ in range(4)] == [1, 3, 2, None]
    assert box.counts.dropped == 1


def test_a_full_queue_holds_the_source_back() -> None:
    box, done = Newest(), threading.Event()
    for sequence in range(KEPT_MAX):
        box.put(still(sequence))

    def put() -> None:
        box.put(still(KEPT_MAX))
        done.set()

    writer = threading.Thread(target=put)
    writer.start()
    assert not done.wait(0.1)
    assert taken(box) == 0
    assert done.wait(WAIT_S)
    writer.join()
    assert [taken(box) for _ in range(KEPT_MAX)] == list(range(1, KEPT_MAX + 1))


def test_closing_lets_a_waiting_source_go_and_loses_nothing() -> None:
    box, results = Newest(), []
    for sequence in range(KEPT_MAX):
        box.put(still(sequence))
    writer = threading.Thread(target=lambda: results.append(box.put(still(99))))
    writer.start()
    box.close()
    writer.join(WAIT_S)
    assert results == [False]
    assert [taken(box) for _ in range(KEPT_MAX + 1)] == [*range(KEPT_MAX), None]


def test_the_freeze_key_keeps_the_newest_frame_even_after_it_was_answered() -> None:
    box = Newest()
    box.put(live(0, captured_s=10.0))
    assert taken(box) == 0
    assert box.freeze(oldest_s=9.0) is not None
    box.put(live(1, captured_s=10.1))
    frozen = box.take(0)
    assert frozen is not None
    assert (frozen.sequence, frozen.is_freeze, frozen.is_kept) == (0, True, True)


@pytest.mark.parametrize("captured_s", [None, 5.0])
def test_without_a_fresh_frame_the_freeze_key_is_refused(captured_s: float | None) -> None:
    box = Newest()
    if captured_s is not None:
        box.put(live(0, captured_s))
    assert box.freeze(oldest_s=9.0) is None


def test_a_full_queue_refuses_the_freeze_key() -> None:
    box = Newest()
    box.put(live(0, captured_s=10.0))
    for sequence in range(KEPT_MAX):
        box.put(still(sequence))
    assert box.freeze(oldest_s=9.0) is None


def test_take_waits_for_a_frame() -> None:
    box = Newest()
    threading.Timer(0.05, box.put, [live(3)]).start()
    started = time.monotonic()
    frame = box.take(WAIT_S)
    assert frame is not None
    assert time.monotonic() - started < WAIT_S / 2


def test_frames_of_all_sources_are_numbered_in_the_order_in_which_they_came() -> None:
    box = Newest()
    for frame in (live(40), still(40), live(7)):
        box.put(frame)
    assert [taken(box), taken(box)] == [1, 2]
    seen = box.seen
    assert seen is not None
    assert seen.sequence == 2


def test_a_still_is_shown_only_where_no_live_picture_is() -> None:
    box = Newest()
    assert box.seen is None
    box.put(still(0))
    seen = box.seen
    assert seen is not None
    assert seen.is_still
    box.put(live(0, captured_s=10.0))
    box.put(replace(still(0), captured_s=10.0 + SHOWN_S / 2))
    seen = box.seen
    assert seen is not None
    assert not seen.is_still
    box.put(replace(still(0), captured_s=10.0 + SHOWN_S))
    seen = box.seen
    assert seen is not None
    assert seen.is_still
