"""Is there a signal? Frames and their times in, one of four states out; pure.

A grabber without input repeats its last frame or stops; a scanner on freeze repeats its picture, but for a clock or a
cursor. So a picture stands still where next to no sampled pixel differs from the one that stood there before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOST_AFTER_S = 0.4  # 12 frames at 30 frames/s; told within 0.5 s by whoever asks every 0.1 s
FROZEN_AFTER_S = 0.4  # the same; live speckle moves from frame to frame
SAMPLES_PX = 96  # the longer side's samples: some 7,000 a picture, 0.05 ms
SAME_LEVELS = 2  # of 255; what a video chain may change in a standing picture
MOVED_SHARE = 0.002  # of the samples; a clock of 8 digits or a cursor covers less, live speckle moves some 10 %


class Signal(Enum):
    """What a source is doing."""

    RUNNING = "running"
    LOST = "lost"  # no frame comes
    FROZEN = "frozen"  # frames come, all alike
    ENDED = "ended"  # none will come


@dataclass(frozen=True, eq=False)
class SignalWatch:
    """What is known of a source's signal.

    Attributes:
        is_live: as the source says; without it there is neither a lost nor a frozen signal.
        last_s: when the last frame came, or when the source was opened; monotonic clock, seconds.
        moved_s: when the picture last changed.
        standing: samples of the picture as it was then; None before the first frame.
        is_ended: the source has ended for good.
        is_down: the source failed and is being opened again.
    """

    is_live: bool
    last_s: float
    moved_s: float
    standing: NDArray[np.uint8] | None = None
    is_ended: bool = False
    is_down: bool = False

    def after_frame(self, pixels: NDArray[np.uint8], now_s: float) -> SignalWatch:
        """What is known after a frame.

        Args:
            pixels: (H,W) or (H,W,3).
            now_s: monotonic clock, seconds.
        """
        if not self.is_live:
            return replace(self, last_s=now_s, is_down=False)
        samples = samples_from_pixels(pixels)
        if self.standing is not None and not has_moved(self.standing, samples):
            return replace(self, last_s=now_s, is_down=False)
        return replace(self, last_s=now_s, moved_s=now_s, standing=samples, is_down=False)

    def state(self, now_s: float) -> Signal:
        """What to show now."""
        if self.is_ended:
            return Signal.ENDED
        if self.is_down:
            return Signal.LOST
        if not self.is_live:
            return Signal.RUNNING
        if now_s - self.last_s > LOST_AFTER_S:
            return Signal.LOST
        return Signal.FROZEN if now_s - self.moved_s > FROZEN_AFTER_S else Signal.RUNNING


def samples_from_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every n-th pixel of every n-th row, copied; one channel of a colour picture."""
    step = max(1, max(pixels.shape[:2]) // SAMPLES_PX)
    plane = pixels if pixels.ndim == 2 else pixels[..., 1]
    samples: NDArray[np.uint8] = plane[::step, ::step].copy()
    return samples


def has_moved(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether two sampled pictures differ by more than noise, a clock or a cursor."""
    if before.shape != after.shape:
        return True
    difference = np.abs(before.astype(np.int16) - after.astype(np.int16))
    return float((difference > SAME_LEVELS).mean()) > MOVED_SHARE
