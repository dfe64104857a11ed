"""Between the reader and the pump: the newest live frame, and a short queue of those that may not be dropped.

::

    live frame  --put--> one slot; what lay there is dropped and counted
    still       --put--> queue of KEPT_MAX; full: put waits (back-pressure to the source)
    freeze      -------> the newest live frame, in the same queue; full: refused, and the key is not acknowledged
    take ------------->  the queue first, then the slot
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

from edge.service.frame import Frame
from edge.service.settlement import DROPPED

KEPT_MAX = 8  # frames; of 4K RGB (25 MB each) 200 MB, of 1024x768 20 MB
SHOWN_S = 2.0  # a camera's picture stays on the screen while a scanner's send queue brings stills; longer: it is off
CLOSE_POLL_S = 0.25  # how often a waiting put looks whether it was closed


@dataclass(frozen=True)
class NewestCounts:
    """What went through.

    Attributes:
        frames: put, live and kept.
        dropped: live frames that a newer one replaced.
    """

    frames: int
    dropped: int


class Newest:
    """One slot and one queue between two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._last: Frame | None = None
        self._still: Frame | None = None  # the last one
        self._kept: deque[Frame] = deque()
        self._frames = 0
        self._dropped = 0
        self._closed = False

    def put(self, frame: Frame) -> bool:
        """Hand a frame over, which gets its number here; waits while it is a still and the queue is full.

        Returns:
            False where the box was closed; the frame was not taken.
        """
        with self._changed:
            while frame.is_kept and len(self._kept) >= KEPT_MAX and not self._closed:
                self._changed.wait(CLOSE_POLL_S)
            if self._closed:
                return False
            frame = replace(frame, sequence=self._frames)
            self._frames += 1
            if frame.is_kept:
                self._kept.append(frame)
                self._still = frame
            else:
                if self._slot is not None:
                    self._dropped += 1
                    self._slot.settle(DROPPED)
                self._slot = self._last = frame
            self._changed.notify_all()
            return True

    def freeze(self, oldest_s: float) -> Frame | None:
        """Keep the newest live frame, whether it was answered or not.

        Args:
            oldest_s: a frame captured before this time is not what the user sees; monotonic clock, seconds.

        Returns:
            The frame that was queued; None where there is none so young, or the queue is full.
        """
        with self._changed:
            if self._last is None or self._last.captured_s < oldest_s:
                return None
            if len(self._kept) >= KEPT_MAX or self._closed:
                return None
            frozen = replace(self._last, is_freeze=True)
            self._kept.append(frozen)
            self._changed.notify_all()
            return frozen

    def take(self, wait_s: float) -> Frame | None:
        """The next frame to answer, or None if none came within `wait_s` seconds."""
        with self._changed:
            if not self._kept and self._slot is None:
                self._changed.wait(wait_s)
            if self._kept:
                frame: Frame | None = self._kept.popleft()
                self._changed.notify_all()
            else:
                frame, self._slot = self._slot, None
            return frame

    def pause(self, wait_s: float) -> None:
        """Wait as `take` does, without taking: while there is nobody to answer."""
        with self._changed:
            self._changed.wait(wait_s)

    @property
    def seen(self) -> Frame | None:
        """What to show: the newest live frame; a still only where no live frame came for SHOWN_S before it."""
        with self._changed:
            last, still = self._last, self._still
            if still is None or (last is not None and last.captured_s > still.captured_s - SHOWN_S):
                return last
            return still

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        with self._changed:
            return not self._kept and self._slot is None

    @property
    def counts(self) -> NewestCounts:
        """What went through so far."""
        with self._changed:
            return NewestCounts(self._frames, self._dropped)

    def close(self) -> None:
        """Let a waiting put go; frames that were taken in are still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
