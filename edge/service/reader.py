"""Drives a source in a thread: puts its frames into the box, watches the signal, opens it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.errors import EdgeError, MachineError
from edge.service.newest import Newest
from edge.service.roi import HeldRoi
from edge.service.signal_state import Signal, SignalWatch
from edge.service.source import frames_of

if TYPE_CHECKING:
    from edge.service.roi import Roi
    from edge.service.source import Source

REOPEN_S = 1.0  # between two attempts to open a camera that went away: a plug takes longer
JOIN_S = 1.0  # a source that blocks in a read does not hold up the end of the service: the thread is a daemon


class Reader:
    """One source, driven until it ends or the reader is closed.

    Attributes:
        error: why the source ended or is down; None while it runs.
        kind: of the source.
    """

    def __init__(
        self, opened: Callable[[], Source], newest: Newest, clock: Callable[[], float], roi: Roi | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            opened: makes the source, the first time and whenever it went away.
            newest: takes its frames.
            clock: monotonic, seconds.
            roi: what is kept of its frames, see `edge.service.source.frames_of`.
        """
        self.error: EdgeError | None = None
        self.kind = ""
        self._opened = opened
        self._newest = newest
        self._clock = clock
        self._roi = None if roi is None else HeldRoi(roi)  # a grabber may come back with another resolution
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._watch = SignalWatch(False, 0.0, 0.0, is_down=True)

    def start(self) -> None:
        """Open the source for the first time and start the thread.

        Raises:
            EdgeError: it cannot be opened; later failures are told by `state` and `error`.
        """
        source, now_s = self._opened(), self._clock()
        self.kind = source.kind
        self._watch = SignalWatch(source.is_live, now_s, now_s)
        self._thread = threading.Thread(target=self._run, args=(source,), name="frame-reader", daemon=True)
        self._thread.start()

    def state(self, now_s: float) -> Signal:
        """The signal now; a source that blocks is told too, since only the clock is asked."""
        return self._watch.state(now_s)

    def close(self) -> None:
        """Ask the thread to end and wait a moment for it."""
        self._closing.set()
        self._newest.close()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, source: Source) -> None:
        current: Source | None = source
        while not self._closing.is_set():
            if current is not None:
                self._drain(current)
                if not current.reopens:
                    break
            self._watch = replace(self._watch, is_down=True)
            self._closing.wait(REOPEN_S)
            current = self._again()
        self._watch = replace(self._watch, is_ended=True)

    def _drain(self, source: Source) -> None:
        """All frames of an open source; its end by an error is kept, not raised: nobody waits for this thread."""
        try:
            with source:
                for frame in frames_of(source, self._roi):
                    self.error = None
                    self._watch = self._watch.after_frame(frame.pixels, self._clock())
                    if self._closing.is_set() or not self._newest.put(frame):
                        return
        except Exception as error:  # noqa: BLE001  # a source of another package: its mistake must show as a lost signal
            self.error = self._told(error)

    def _again(self) -> Source | None:
        try:
            return self._opened()
        except Exception as error:  # noqa: BLE001  # the same
            self.error = self._told(error)
            return None

    def _told(self, error: Exception) -> EdgeError:
        if isinstance(error, EdgeError):
            return error
        return MachineError(f"The source {self.kind} failed: {type(error).__name__}.", "Report it.")
