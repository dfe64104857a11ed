"""One picture on its way through the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.exam_keys import ExamKey

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture; nobody writes to its pixels after it was made.

    Attributes:
        pixels: (H,W) gray or (H,W,3) RGB, 0..255; personal data where the source does not cut to the tissue.
        sequence: its number in this run of the service, from 0; the box of frames gives it (`Newest.put`).
        captured_s: monotonic clock, seconds, when the box had it; ages and latencies count from here.
        source: kind of the source, e.g. "camera"; never a path, which may hold a name.
        key: patient and study, where the source tells; None for a video grabber.
        is_still: somebody sent this very picture (a DICOM store, an image file): never dropped.
        is_freeze: the freeze key was pressed on it: never dropped.
        machine: scanner model, where the source tells; else empty.
        name: that a bridge gave it, so that the same picture sent twice is kept once; else empty.
        on_settled: told what became of it (`edge.service.settlement`), by any thread; None: nobody waits.
    """

    pixels: NDArray[np.uint8]
    sequence: int
    captured_s: float
    source: str
    key: ExamKey | None = None
    is_still: bool = False
    is_freeze: bool = False
    machine: str = ""
    name: str = ""
    on_settled: Callable[[str], None] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it may not be dropped for a newer one."""
        return self.is_still or self.is_freeze

    def settle(self, word: str) -> None:
        """Tell who waits what became of it; a word of `edge.service.settlement`."""
        if self.on_settled is not None:
            self.on_settled(word)

    def age_s(self, now_s: float) -> float:
        """Seconds since it was captured."""
        return now_s - self.captured_s
