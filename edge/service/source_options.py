"""What every kind of source is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FOLDER_PAUSE_S = 1.0  # a picture of a slideshow stays this long: time to read the answer


@dataclass(frozen=True)
class SourceOptions:
    """For every source.

    Attributes:
        fast: as fast as the pictures can be read, not at their own rate; for tests and measurements.
        seed: for sources that draw by chance.
        pause_s: between two stills of a folder, seconds.
        clock: monotonic, seconds.
        sleep: waits for so many seconds.
    """

    fast: bool = False
    seed: int = 0
    pause_s: float = FOLDER_PAUSE_S
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, at_s: float) -> None:
        """Sleep until a time of the clock; not at all where it has passed, or with `fast`."""
        wait_s = at_s - self.clock()
        if wait_s > 0 and not self.fast:
            self.sleep(wait_s)
