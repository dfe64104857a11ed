"""An exam on the desk, and whose the frames without a key are; pure values.

::

    frame with a key    -> the exam of that key
    frame without a key -> the exam that a person had opened or acknowledged when it was captured; none: nobody's
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edge.exam_state import ENDED, Exam
from edge.exam_watch import Watch
from edge.manifest import Notice
from edge.temporal import SLOW_WINDOW_S

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TURNS_MAX = 16  # changes of the open exam; a kept frame waits for its answer for some seconds at most


@dataclass(frozen=True, eq=False)
class Seat:
    """An exam with what the desk remembers of it.

    Attributes:
        exam: the fold of its stored events.
        stored: name of a frame -> sequence number of the event that holds its JPEG.
        watch: of its last frames.
        pictures: gray (H,W) of the frames that the watch may still ask for.
        references: kind of source -> what `edge.frame_quality` compares its next frame with.
        awaited: number of the frame that the freeze key kept and that has no answer yet.
        is_changed: the service opened or showed it by itself, and nobody has acknowledged that.
        late_stills: still images that came after the end.
        since_s: when the pause ended or the fetus was switched last: a live frame captured before it counts no more.
        fetus_before: that was scanned until then; None: there was no switch.
    """

    exam: Exam
    stored: Mapping[str, int] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    references: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    awaited: int | None = None
    is_changed: bool = False
    late_stills: int = 0
    since_s: float = -math.inf
    fetus_before: int | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it takes no frame any more."""
        return self.exam.phase == ENDED

    def without_awaited(self, number: int) -> Seat:
        """After an answer to this frame, whatever it is: nobody waits for it any more."""
        return replace(self, awaited=None) if self.awaited == number else self

    def trimmed(self) -> Seat:
        """Without the pictures that the watch has dropped."""
        return replace(self, pictures={name: self.pictures[name] for name in self.watch.frames & self.pictures.keys()})

    def rested(self, now_s: float) -> Seat:
        """Without the pictures of frames that are too old for any capture.

        Args:
            now_s: monotonic clock, seconds.
        """
        latest = self.watch.latest
        if not self.pictures or self.watch.freeze_s is not None:
            return self
        if latest is not None and now_s - latest.at_s <= SLOW_WINDOW_S:
            return self
        return replace(self, watch=replace(self.watch, votes=()), pictures={})


@dataclass(frozen=True)
class Turns:
    """Which exam frames without a key belonged to, and from when.

    A picture from before a change is the old exam's, however late its answer comes. Where the service changed the exam
    by itself they belong to nobody until a person acknowledged it: a late still of the last patient must not draw the
    camera's picture of the next one into the wrong exam.

    Attributes:
        items: (monotonic seconds, id of the exam or None), oldest first.
    """

    items: tuple[tuple[float, str | None], ...] = ()

    def after(self, at_s: float, exam: str | None) -> Turns:
        """From now on they belong to this exam, or to none."""
        if self.items and self.items[-1][1] == exam:
            return self
        return Turns((*self.items[1 - TURNS_MAX :], (at_s, exam)))

    def exam_at(self, captured_s: float) -> str | None:
        """Whose a frame of that time is."""
        return next((exam for at_s, exam in reversed(self.items) if at_s <= captured_s), None)


@dataclass(frozen=True, eq=False)
class DeskNow:
    """The desk at one moment.

    Attributes:
        shown: the exam to show; None: there was none yet.
        others: not ended and not shown, in the order of their opening.
        refused: captures that could not be kept since the service started.
        late_stills: of all exams since the service started.
        unread: stored exams that could not be opened again, each with its cause, one line.
    """

    shown: Seat | None = None
    others: tuple[Seat, ...] = ()
    refused: int = 0
    late_stills: int = 0
    unread: tuple[Notice, ...] = ()
