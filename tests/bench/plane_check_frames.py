"""What the sustained runs are fed with: frames of a slideshow, 1024x768 RGB as a grabber gives them, 30 a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from calibration.demo.slideshow import labelled_frames
from edge.exam_keys import ExamKey
from edge.service.frame import Frame

FPS = 30.0
WIDTH_PX, HEIGHT_PX = 1024, 768
KEY = ExamKey("DEMO-LOAD", "")
POOL = 40  # frames of 2.4 MB; more than a second of them, so that none repeats within the exam's window
STEP = 6  # every so many of the slideshow: a hold and a way


def frame_pool() -> list[NDArray[np.uint8]]:
    """(H,W,3) each, of 8 seconds of a slideshow."""
    frames = islice(labelled_frames(0, fps=FPS, width=WIDTH_PX, height=HEIGHT_PX), 0, POOL * STEP, STEP)
    return [np.repeat(frame.pixels[..., None], 3, axis=2) for frame in frames]


@dataclass
class Grabber:
    """A live source at 30 frames/s; each frame is an array of its own, as from a driver.

    Attributes:
        total: frames until it ends.
        pool: what it shows, again and again.
        key: of every frame.
        larger: each side so many times as long: a frame for which a process must ask for memory.
    """

    total: int
    pool: list[NDArray[np.uint8]]
    key: ExamKey | None = KEY
    larger: int = 1
    kind: str = field(default="camera", init=False)
    is_live: bool = field(default=True, init=False)
    reopens: bool = field(default=False, init=False)
    is_screen: bool = field(default=False, init=False)
    credit: str = field(default="", init=False)

    def __enter__(self) -> Grabber:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def frames(self) -> Iterator[Frame]:
        start_s = time.monotonic()
        for number in range(self.total):
            time.sleep(max(0.0, start_s + number / FPS - time.monotonic()))
            pixels = self.pool[number % len(self.pool)].repeat(self.larger, 0).repeat(self.larger, 1)
            yield Frame(pixels, number, time.monotonic(), self.kind, self.key)
