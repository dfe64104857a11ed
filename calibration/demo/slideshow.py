"""Real stored images as if they were a scan: a seed in, labelled frames out.

::

    seed -> Stills   which images          stills.py
         -> Hand -> Moment, Moment ...     motion.py
         -> Screen -> frame, frame ...     screen.py

The images are real, the motion is not: whatever is measured on it is called synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.demo.motion import Moment, hand_from_generator, moments_from_times
from calibration.demo.screen import Screen, frame_from_half, placed, screen_from_size
from calibration.demo.stills import Stills, stills_from_seed
from calibration.reports.figures import credit_from_folder
from calibration.samples_set import SAMPLES
from edge.errors import UsageError
from edge.prediction import NOT_STANDARD

FPS = 25.0
HOLD_S = 4.5  # a sonographer's look at a plane
GLIDE_S = 3.0
WIDTH_PX, HEIGHT_PX = 768, 576
SHOWN = 0.9  # as of Moment.shown: from here on a frame counts as the plane; below, it is on its way or none


@dataclass(frozen=True, eq=False)
class DemoFrame:
    """One frame of a demo.

    Attributes:
        pixels: (H,W), marked as a demo in its margin.
        label: id of the plane, or "not_standard" on the way.
        beside: plane that is nearest: the one that is shown, was just left or comes next.
        shown: 0..1, how near that plane is to its place and focus; a label has an edge, what is seen has none.
        time_ms: since the first frame.
    """

    pixels: NDArray[np.uint8]
    label: str
    beside: str
    shown: float
    time_ms: float


def labelled_frames(
    seed: int,
    fps: float = FPS,
    hold_s: float = HOLD_S,
    glide_s: float = GLIDE_S,
    last_hold_s: float = HOLD_S,
    width: int = WIDTH_PX,
    height: int = HEIGHT_PX,
    labels: Path | None = None,
) -> Iterator[DemoFrame]:
    """One pass over every plane that there are images of; the same arguments give the same frames.

    Args:
        seed: decides images, motion and noise.
        fps: frames a second.
        hold_s: how long a plane is held.
        glide_s: how long the way to the next one takes.
        last_hold_s: how long the last one is held; may be infinite.
        width: of the frames, px, even.
        height: of the frames, px.
        labels: a LABELS.csv; None for the images that ship with the project.

    Yields:
        Frames; computed one at a time when they are asked for.

    Raises:
        UsageError: a time or rate that is not positive, or a size that is too small.
        LabelsError: there are no images for it.
    """
    if min(fps, hold_s, glide_s) <= 0 or width % 2 or min(width, height) < 64:
        raise UsageError(
            f"A demo of {width}x{height} px at {fps} frames/s was asked for, {hold_s} s a plane and {glide_s} s a way.",
            "Give times and a rate above 0, and sides of at least 64 px with an even width.",
        )
    stills = stills_from_seed(seed, labels)
    rng = np.random.default_rng([seed, 1])
    hand = hand_from_generator(len(stills.planes), rng)
    screen = screen_from_size(width, height, credit_from_folder((labels or SAMPLES).parent), rng)
    for number, moment in enumerate(moments_from_times(hand, fps, hold_s, glide_s, last_hold_s)):
        plane = stills.planes[moment.plane].label
        pixels = _frame(stills, moment, screen, rng)
        label = plane if moment.shown >= SHOWN else NOT_STANDARD
        yield DemoFrame(pixels, label, plane, moment.shown, 1000 * number / fps)


def _frame(stills: Stills, moment: Moment, screen: Screen, rng: np.random.Generator) -> NDArray[np.uint8]:
    from PIL import Image

    seen = [
        placed(still.defocused(pose.blur), pose, screen)
        for still, pose, share in (
            (stills.planes[moment.plane], moment.pose, 1 - moment.mix),
            (stills.elsewhere[moment.elsewhere], moment.elsewhere_pose, moment.mix),
        )
        if share > 0
    ]
    return frame_from_half(
        Image.blend(seen[0], seen[1], moment.mix) if len(seen) > 1 else seen[0], moment.gain, screen, rng
    )
