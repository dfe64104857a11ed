"""The signal of frames that bridges send: in the place of a `Reader` where the source is a bridge.

::

    frame of the bridge --heard--> SignalWatch -.
    its word -----------told----> SignalNote ---+-> state, error

A bridge can only make it worse: that it says "running" does not help where no frame comes, and a bridge that died is a
lost signal like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge.errors import EdgeError, PeerError, UsageError
from edge.service.bridge_source import BridgeSource
from edge.service.frame import Frame
from edge.service.signal_note import SignalNote
from edge.service.signal_state import Signal, SignalWatch

CURE = "Look at the bridge's own log."


class BridgeReader:
    """Watches what comes over the socket.

    Attributes:
        kind: of the source.
    """

    def __init__(self, source: BridgeSource, clock: Callable[[], float]) -> None:
        """Nothing is watched yet.

        Args:
            source: which bridges count.
            clock: monotonic, seconds.
        """
        self.kind = source.kind
        self._source = source
        self._clock = clock
        self._turn = threading.Lock()  # frames come in several threads
        self._watch = SignalWatch(source.is_live, 0.0, 0.0)
        self._note: SignalNote | None = None

    @property
    def error(self) -> EdgeError | None:
        """Why the bridge has no signal, as it says; None while it has one or gave no cause."""
        note = self._note
        return PeerError(note.cause, note.cure or CURE) if note is not None and note.cause else None

    def start(self) -> None:
        """Frames are expected from now on; until one comes there is no signal."""
        now_s = self._clock()
        self._watch = SignalWatch(self._source.is_live, now_s, now_s, is_down=self._source.is_live)

    def close(self) -> None:
        """Nothing is open."""

    def state(self, now_s: float) -> Signal:
        """The signal now: the worse of what is seen here and of what the bridge says."""
        seen, note = self._watch.state(now_s), self._note
        if note is not None and note.signal in (Signal.LOST, Signal.ENDED):
            return note.signal
        return Signal.FROZEN if note is not None and seen is Signal.RUNNING else seen

    def heard(self, frame: Frame) -> None:
        """A bridge sent a frame; a live one ends what it said of a lost signal."""
        if frame.is_still or not self._source.is_of(frame.source):
            return
        with self._turn:
            self._watch = self._watch.after_frame(frame.pixels, self._clock())
            if self._note is not None and self._note.signal is not Signal.FROZEN:
                self._note = None

    def told(self, note: SignalNote) -> None:
        """A bridge says what its signal is; it counts until its next word or, but for a frozen picture, next frame.

        Raises:
            UsageError: another bridge's frames are the source of this service.
        """
        if not self._source.is_of(note.source):
            raise UsageError(
                f"This service's frames come from the bridge {self._source.name!r}.", "Start it with --source bridge."
            )
        with self._turn:
            self._note = None if note.signal is Signal.RUNNING else note
