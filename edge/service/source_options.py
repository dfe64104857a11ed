"""What every kind of source is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LATE_S = 1.0  # a schedule that is further behind is put off: hours of frames are not made up for at once
FOLDER_PAUSE_S = 1.0  # a picture of a slideshow stays this long: time to read the answer


@dataclass(frozen=True)
class SourceOptions:
    """For every source.

    Attributes:
        fast: as fast as the pictures can be read, not at their own rate; for tests and measurements.
        seed: for sources that draw by chance.
        pause_s: between two stills of a folder, seconds.
        is_whole: the user gave a region, which is of the whole picture: no source cuts by itself.
        clock: monotonic, seconds.
        sleep: waits for so many seconds.
    """

    fast: bool = False
    seed: int = 0
    pause_s: float = FOLDER_PAUSE_S
    is_whole: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, at_s: float) -> float:
        """Sleep until a time of the clock; not at all where it has passed, or with `fast`.

        Returns:
            Seconds by which a schedule must be put off, since the machine slept or a pipe stalled; usually 0.
        """
        wait_s = at_s - self.clock()
        if self.fast or -LATE_S <= wait_s <= 0:
            return 0.0
        if wait_s > 0:
            self.sleep(wait_s)
        return max(0.0, -wait_s)
