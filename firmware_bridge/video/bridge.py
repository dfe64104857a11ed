"""The video bridge: a grabber, file, pipe or pipeline on one side, the plane check's socket on the other.

::

    reader thread   source -> region or fan -> Newest, SignalWatch       (edge.service.reader)
    main thread     Newest -> LiveSender -> service

What a process of its own is for: the decoders of foreign data and the device stand outside the process that holds the
exam; a driver that never comes back from a read cannot be interrupted, only ended with its process, which systemd
starts again; and pipelines of GStreamer run below it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DeviceError, UsageError
from edge.service.newest import Newest
from edge.service.reader import Reader
from edge.service.roi import Roi
from edge.service.signal_note import SignalNote
from edge.service.signal_state import Signal
from edge.service.source import Source, open_source
from edge.service.source_options import SourceOptions
from firmware_bridge.service_client import ServiceClient
from firmware_bridge.video.bridge_screen import BridgeScreen
from firmware_bridge.video.live_sender import LiveSender
from firmware_bridge.video.pipe_sources import open_gst_source, open_pipe_source

KIND = "video"  # X-Source
STUCK_S = 10.0  # no frame and no new attempt for so long: the reader hangs in a driver; a grabber that starts takes 3 s
PIPES: Mapping[str, Callable[[str, SourceOptions, threading.Event], Source]] = {
    "pipe": open_pipe_source,
    "gst": open_gst_source,
}
OTHERS = ("camera", "video")  # of the service's own sources


@dataclass(frozen=True)
class VideoSettings:
    """What was asked for.

    Attributes:
        source: as typed, e.g. "camera:/dev/video0".
        socket: of the service.
        roi: what is kept of a frame; None: the fan.
        stuck_s: see STUCK_S.
    """

    source: str
    socket: Path
    roi: Roi | None = None
    stuck_s: float = STUCK_S


class VideoBridge:
    """Ties source, box and service together."""

    def __init__(self, settings: VideoSettings, clock: Callable[[], float]) -> None:
        """Nothing is opened.

        Args:
            settings: what was asked for.
            clock: monotonic, seconds.
        """
        self._settings, self._clock = settings, clock
        self._newest, self._stop = Newest(), threading.Event()
        self._reader = Reader(self._opened, self._newest, clock, settings.roi)
        self._frames, self._moved_s = 0, clock()

    def run(self, stop: threading.Event, screen: BridgeScreen) -> None:
        """Bridge until told to stop, or until a source that has an end is at it.

        Raises:
            EdgeError: the source cannot be, or ended by a failure, or hangs.
        """
        self._reader.start()
        try:
            with ServiceClient(self._settings.socket) as client:
                sender = LiveSender(client, KIND, self._newest, self._note, self._clock)
                screen.ready(source=self._reader.kind, socket=str(self._settings.socket))
                while not stop.is_set() and not self._is_done(sender):
                    sender.step()
                    screen.take(sender, self._newest.counts.dropped, self._clock(), {})
                    self._check_moving()
                screen.ended(sender, self._newest.counts.dropped, {})
        finally:
            self._stop.set()
            self._reader.close()
        if self._reader.error is not None and not stop.is_set():
            raise self._reader.error

    def _opened(self) -> Source:
        self._moved_s = self._clock()
        return open_video(self._settings, self._stop, self._clock)

    def _note(self, now_s: float) -> SignalNote:
        signal = self._reader.state(now_s)
        if signal is Signal.ENDED and not self._newest.is_empty:
            signal = Signal.RUNNING  # the last frame is still on its way
        error = self._reader.error if signal in (Signal.LOST, Signal.ENDED) else None
        return SignalNote(KIND, signal, error.cause if error else "", error.cure if error else "")

    def _is_done(self, sender: LiveSender) -> bool:
        return sender.told is not None and sender.told.signal is Signal.ENDED

    def _check_moving(self) -> None:
        """Leave a process whose reader hangs."""
        frames, now_s = self._newest.counts.frames, self._clock()
        if frames != self._frames or self._reader.state(now_s) is not Signal.LOST:
            self._frames, self._moved_s = frames, now_s
        if now_s - self._moved_s > self._settings.stuck_s:
            raise DeviceError(
                f"The source has been silent for {self._settings.stuck_s:g} s and cannot be interrupted.",
                "Look at device and signal; systemd starts the bridge again.",
            )


def open_video(settings: VideoSettings, stop: threading.Event, clock: Callable[[], float]) -> Source:
    """Make the source; nothing is read before its `frames`.

    Args:
        settings: what was asked for.
        stop: set when the bridge ends.
        clock: monotonic, seconds.

    Raises:
        EdgeError: there is no such source, or no such file.
    """
    check_video(settings.source)
    kind, _, where = settings.source.partition(":")
    options = SourceOptions(is_whole=settings.roi is not None, clock=clock)
    return PIPES[kind](where, options, stop) if kind in PIPES else open_source(settings.source, options)


def check_video(text: str) -> None:
    """Refuse a text that names no source of video; nothing is opened.

    Raises:
        UsageError: it names none.
    """
    kind, _, _ = text.partition(":")
    if kind not in (*PIPES, *OTHERS):
        raise UsageError(f"{kind!r} is no source of video.", "Use camera:DEVICE, video:PATH, pipe:PATH, gst:PIPELINE.")
