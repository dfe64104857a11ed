"""`--source demo`: an examination for a newcomer, without a scanner.

::

    demo           stored images in motion (slideshow.py), then the last plane is held
    demo:phantom   a made-up patient (calibration/phantom/sweep.py), for bundles that were trained on phantoms

Its frames carry the key of an exam of their own, so that it opens by itself and never lands in a patient's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING

from calibration.demo.slideshow import HOLD_S, labelled_frames
from calibration.phantom.marking import TEXT
from calibration.phantom.planes import NEIGHBOURS
from calibration.phantom.sweep import sweep_from_patient
from calibration.reports.figures import credit_from_folder
from calibration.samples_set import SAMPLES
from edge.errors import UsageError
from edge.exam_keys import ExamKey
from edge.service.frame import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.service.source_options import SourceOptions

STILLS, PHANTOM = "", "phantom"
PATIENT = "DEMO"  # begins the key: nobody takes it for a patient's


@dataclass(frozen=True)
class DemoSource:
    """One pass over the planes; a slideshow then holds the last one until the service ends, or ends itself with `fast`.

    Attributes:
        where: STILLS or PHANTOM.
        options: seed, pace and clock.
        credit: attribution of the images; for phantoms what they are.
    """

    where: str
    options: SourceOptions
    credit: str
    kind: str = "demo"
    is_live: bool = True
    reopens: bool = False
    is_screen: bool = False

    @property
    def key(self) -> ExamKey:
        """Of the exam that this demo is."""
        name = f"{PATIENT}-{self.where.upper()}" if self.where else PATIENT
        return ExamKey(f"{name}-{self.options.seed}", "")

    def __enter__(self) -> DemoSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open between two frames."""

    def frames(self) -> Iterator[Frame]:
        """Frames at their own rate unless fast."""
        start_s = self.options.clock()
        for number, (pixels, time_ms) in enumerate(self._pictures()):
            start_s += self.options.wait_until(start_s + time_ms / 1e3)
            yield Frame(pixels, number, self.options.clock(), self.kind, self.key)

    def _pictures(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        seed = self.options.seed
        if self.where == PHANTOM:
            planes = tuple(chain.from_iterable(NEIGHBOURS))
            return ((frame.pixels, frame.time_ms) for frame in sweep_from_patient(seed, planes))
        frames = labelled_frames(seed, last_hold_s=HOLD_S if self.options.fast else math.inf)
        return ((frame.pixels, frame.time_ms) for frame in frames)


def open_demo_source(where: str, options: SourceOptions) -> DemoSource:
    """`demo` or `demo:phantom`.

    Args:
        where: what follows the colon.
        options: the seed chooses images and motion, or the made-up patient.

    Raises:
        UsageError: there is no such demo.
    """
    if where not in (STILLS, PHANTOM):
        raise UsageError(f"There is no demo {where!r}.", "Write demo, or demo:phantom for a bundle of phantoms.")
    return DemoSource(where, options, TEXT if where else credit_from_folder(SAMPLES.parent))
