"""The newest frame as a JPEG for the page: made when somebody asks for it, once a frame."""

from __future__ import annotations

import threading

from edge.service.frame import Frame
from edge.service.pictures import LIVE_QUALITY, LIVE_SIDE_PX, jpeg_from_gray, shrunk


class LivePicture:
    """Keeps the last JPEG; its method may be called from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()  # two pages that ask at once get one encoding
        self._last: tuple[int, bytes] | None = None

    def jpeg(self, frame: Frame | None, newer_than: int) -> tuple[int, bytes] | None:
        """Number and JPEG of a frame; None where it is not newer than what the caller has.

        Args:
            frame: the newest one, or None.
            newer_than: number of the caller's frame; -1 for none.
        """
        if frame is None or frame.sequence <= newer_than:
            return None
        with self._turn:
            if self._last is None or self._last[0] < frame.sequence:
                self._last = frame.sequence, jpeg_from_gray(shrunk(frame.pixels, LIVE_SIDE_PX), LIVE_QUALITY)
            return self._last if self._last[0] > newer_than else None
