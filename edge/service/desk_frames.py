"""An answer as its exam sees it: judged, watched, and what it captures; pure.

::

    Answer -> gray -> quality -> JudgedFrame -> watch -> captures, whose pictures the seat holds
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge.exam_events import Captured
from edge.exam_watch import JudgedFrame, Watch, watch_after
from edge.frame_quality import quality_from_gray
from edge.prediction import NOT_COVERED, Prediction
from edge.preprocess import gray_from_frame
from edge.service.answer import Answer
from edge.service.desk_exams import Seat
from edge.service.settlement import JUDGED, KEPT, LATE, REFUSED, UNREAD
from edge.sources.frame import MIN_SIDE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray


def seat_after(seat: Seat, answer: Answer, name: str, wall: str) -> tuple[Seat, tuple[Captured, ...]]:
    """The exam's seat after one of its frames, and what is to be stored; `trimmed` is called after that.

    Args:
        seat: of the frame's exam.
        answer: to the frame.
        name: of the frame, unique in the store.
        wall: UTC, ISO 8601.
    """
    frame = answer.frame
    if seat.is_ended and frame.is_still:
        return replace(seat, late_stills=seat.late_stills + 1), ()
    prediction, is_before = _prediction(answer), frame.captured_s < seat.since_s
    if seat.is_ended or prediction is None or (is_before and not frame.is_still):
        return seat, ()
    gray = gray_from_frame(frame.pixels)
    references = dict(seat.references)
    quality, reference = quality_from_gray(gray, None if frame.is_still else references.get(frame.source))
    if not frame.is_still:
        references[frame.source] = reference
    judged = JudgedFrame(name, frame.key, frame.captured_s, wall, prediction, quality, frame.is_still)
    pictures = {**seat.pictures, name: gray}
    if is_before:  # a still that waited for its answer: of the fetus that was scanned then
        before = replace(seat.exam, fetus=seat.fetus_before or seat.exam.fetus)
        return replace(seat, pictures=pictures), watch_after(before, Watch(), judged)[1]
    watch, events = watch_after(seat.exam, seat.watch, judged)
    return replace(seat, watch=watch, references=references, pictures=pictures), events


def word_from_seat(seat: Seat, answer: Answer, name: str, was_captured: bool) -> str:
    """What became of a frame (`edge.service.settlement`).

    Args:
        seat: of its exam, after what it captured was stored.
        answer: to the frame.
        name: of the frame.
        was_captured: the exam wanted to keep it.
    """
    if name in seat.stored:
        return KEPT
    if was_captured:
        return REFUSED
    if seat.is_ended:
        return LATE
    return JUDGED if _prediction(answer) is not None else UNREAD


def _prediction(answer: Answer) -> Prediction | None:
    """The engine's, or for a picture that somebody chose "not covered": what was chosen is kept all the same."""
    if answer.prediction is not None or not answer.frame.is_kept or not _is_picture(answer.frame.pixels):
        return answer.prediction
    return Prediction("", 0.0, False, NOT_COVERED, (), answer.reason, 0.0)


def _is_picture(pixels: NDArray[np.uint8]) -> bool:
    """Whether its quality can be measured; a bridge may send anything."""
    has_channels = pixels.ndim == 2 or pixels.shape[2:] == (3,)
    return pixels.dtype == np.uint8 and pixels.ndim in (2, 3) and has_channels and min(pixels.shape[:2]) >= MIN_SIDE_PX
