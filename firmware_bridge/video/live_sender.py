"""Live frames of a bridge -> the service, newest first, and what the bridge knows of its signal.

::

    Newest --take--> cut to the region --> POST /api/frames     what waits too long is dropped and counted
    note(now) -----at each change, each second--> POST /api/signal

Nothing that the service answers ends a bridge: where it is away, frames are lost and counted until it is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.errors import EdgeError, PeerError
from edge.exam_watch import AI_OFF_S
from edge.service.frame import Frame
from edge.service.newest import Newest
from edge.service.signal_note import MAX_TEXT, SignalNote
from edge.service.signal_state import Signal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from firmware_bridge.service_client import ServiceClient

STEP_S = 0.05  # with signal_state.LOST_AFTER_S a lost signal is told within 0.5 s
TELL_S = 1.0  # a service that was started again hears it within a second
RETRY_S = 0.25  # between two calls to a service that is away


@dataclass(frozen=True)
class Sent:
    """What became of frames; what a newer one replaced stands in the box's own counts.

    Attributes:
        sent: that the service took.
        refused: that it did not take, or whose size is not the region's.
        stale: that were older than an answer may be.
        away: lost since the service did not answer.
    """

    sent: int = 0
    refused: int = 0
    stale: int = 0
    away: int = 0


class LiveSender:
    """Driven by one thread, which owns the client.

    Attributes:
        counts: of frames.
        told: the last note that the service was given, or should have been.
        error: why the last frame did not get there; None where it did, and where a service that was away answers again.
        refusal: why the service does not hear the signal (its frames come from elsewhere); None where it does.
    """

    def __init__(
        self,
        client: ServiceClient,
        source: str,
        newest: Newest,
        note: Callable[[float], SignalNote],
        clock: Callable[[], float],
        cut: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: of the service.
            source: kind of the bridge, X-Source of its frames.
            newest: the box that the bridge fills.
            note: what the bridge knows of its signal at a time of the clock.
            clock: monotonic, seconds; the one of the frames.
            cut: leaves of a picture what may be kept; None: it was cut before.
            sleep: waits while the service is away, seconds.
        """
        self.counts = Sent()
        self.told: SignalNote | None = None
        self.error: EdgeError | None = None
        self.refusal: EdgeError | None = None
        self._client, self._source, self._newest, self._note, self._clock = client, source, newest, note, clock
        self._cut, self._sleep = cut, sleep
        self._cut_error: EdgeError | None = None
        self._told_s = 0.0

    def step(self, wait_s: float = STEP_S) -> None:
        """Tell what is due, then send the newest frame, if one comes within `wait_s` seconds."""
        self._tell()
        frame = self._newest.take(wait_s)
        if frame is None:
            return
        if frame.age_s(self._clock()) > AI_OFF_S:
            self._count(stale=1)
        elif (pixels := self._kept(frame)) is not None:
            self._put(frame, pixels)

    def _kept(self, frame: Frame) -> NDArray[np.uint8] | None:
        """What may be kept; None where the region does not fit: a lost signal with its cause."""
        try:
            pixels = frame.pixels if self._cut is None else self._cut(frame.pixels)
        except EdgeError as error:
            self._cut_error = error
            self._count(refused=1)
            return None
        self._cut_error = None
        return pixels

    def _put(self, frame: Frame, pixels: NDArray[np.uint8]) -> None:
        try:
            is_taken = self._client.put_frame(pixels, self._source, frame.key, frame.machine)
        except PeerError as error:
            self._count(away=1)
            self._rest(error)
        except EdgeError as error:
            self._count(refused=1)
            self.error = error
        else:
            self._count(sent=int(is_taken), refused=int(not is_taken))
            self.error = None

    def _tell(self) -> None:
        now_s = self._clock()
        note = self._note(now_s)
        if self._cut_error is not None:
            note = replace(note, signal=Signal.LOST, cause=self._cut_error.cause, cure=self._cut_error.cure)
        note = replace(note, cause=_line(note.cause), cure=_line(note.cure))
        if note == self.told and now_s - self._told_s < TELL_S:
            return
        self.told, self._told_s = note, now_s
        try:
            self._client.tell_signal(note)
            self.refusal = None
            if isinstance(self.error, PeerError):
                self.error = None  # it answers again, also where no frame comes to show so
        except PeerError as error:
            self._rest(error)
        except EdgeError as error:
            self.refusal = error

    def _rest(self, error: EdgeError) -> None:
        self.error = error
        self._sleep(RETRY_S)

    def _count(self, **more: int) -> None:
        self.counts = replace(self.counts, **{name: getattr(self.counts, name) + count for name, count in more.items()})


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]
