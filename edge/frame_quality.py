"""How good a picture of an ultrasound frame is, and whether it is a new one. It says nothing about the plane.

::

    gray ROI -> thumbnail (longest side 128 px) -> focus, gain, coverage: 0..1 each -> score, their geometric mean
                    |-> digest: the same picture has the same
                    `-> blocks (4x4 px means) -> fresh: change against the last new frame

One size of thumbnail makes the measures independent of the scanner's matrix; 128 px, since finer detail depends on how
a picture was scaled on its way: enlarged to 1024 px and measured again, the val images keep 0.87 of their median focus;
at 256 px it would be 0.57. Figures named "val" are taken over the 92 standard planes of calibration/samples, split val,
and so are the reference points: a score compares a frame with what those hospitals stored. No human has graded it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.preprocess import SECTOR_LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

THUMBNAIL_PX = 128  # longest side
BLOCK_PX = 4  # of the thumbnail: speckle and electronic noise average out, organs do not
FULL_FOCUS = 1.05  # val: median, after a change of scale; a blur of 1 px of 256 brings it down to a third
GAIN_RANGE = (41.0, 82.0)  # mean gray level of the lit blocks; val: 5th and 95th percentile
SATURATED_LEVEL = 250  # gray levels; nothing can be told apart above
MAX_SATURATED = 0.10  # share of lit pixels at which gain is 0; val: at most 0.009
FULL_COVERAGE = 0.62  # share of lit blocks; val: 25th percentile. A fan leaves the corners of its ROI dark
FROZEN_LEVELS = 0.4  # mean change of the blocks, gray levels; val enlarged to 1024x768: JPEG of quality 75 makes 0.17,
# noise of 2 levels 0.12, a shift of 4 px at least 0.84. Not measured on a live scanner: a hand stiller than that counts
# as a frozen image, and the freeze key takes it


@dataclass(frozen=True)
class FrameQuality:
    """What was measured on one frame.

    Attributes:
        focus: 0..1, share of fine detail in the lit area against a typical stored plane.
        gain: 0..1, neither too dark nor too bright nor saturated.
        coverage: 0..1, share of the picture that shows echoes: shadow and lost contact lower it.
        fresh: 0..1; below 1 the frame repeats the last new one and counts once with it.
        digest: of the thumbnail, 16 hexadecimal digits.
    """

    focus: float
    gain: float
    coverage: float
    fresh: float
    digest: str

    @property
    def score(self) -> float:
        """Geometric mean of focus, gain and coverage, 0..1: one bad measure is not made good by two others."""
        return float((self.focus * self.gain * self.coverage) ** (1.0 / 3.0))

    @property
    def is_new(self) -> bool:
        """Whether the picture differs from the last new one."""
        return self.fresh >= 1.0


def quality_from_gray(
    gray: NDArray[np.uint8], reference: NDArray[np.float32] | None
) -> tuple[FrameQuality, NDArray[np.float32]]:
    """Measure a frame.

    Args:
        gray: (H,W), 0..255, the scanner's image without its screen; H and W at least 32.
        reference: what this function gave with the frame before; None for the first.

    Returns:
        The quality, and the reference for the next call: blocks of the last new frame, so that a slow drift adds up.
    """
    small = thumbnail_from_gray(gray)
    blocks = blocks_from_thumbnail(small)
    fresh = fresh_from_blocks(blocks, reference)
    focus, gain = focus_and_gain(small, blocks)
    coverage = min(1.0, float(np.mean(blocks > SECTOR_LEVEL)) / FULL_COVERAGE)
    quality = FrameQuality(focus, gain, coverage, fresh, digest_from_thumbnail(small))
    return quality, blocks if reference is None or quality.is_new else reference


def thumbnail_from_gray(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Area means that bring the longest side to 128 px and leave the shorter one at least 8; small frames stay.

    Args:
        gray: (H,W), 0..255.
    """
    from PIL import Image

    longest = max(gray.shape)
    if longest <= THUMBNAIL_PX:
        return np.ascontiguousarray(gray)
    h, w = (max(2 * BLOCK_PX, round(side * THUMBNAIL_PX / longest)) for side in gray.shape)
    picture = Image.fromarray(np.ascontiguousarray(gray))
    whole = max(1, longest // (2 * THUMBNAIL_PX))  # exact means first: most of the work, done by integers
    return np.asarray(picture.reduce(whole).resize((w, h), Image.Resampling.BOX))


def digest_from_thumbnail(small: NDArray[np.uint8]) -> str:
    """Name of a picture: 64 bits of BLAKE2b over size and thumbnail.

    Args:
        small: (h,w), 0..255.
    """
    return hashlib.blake2b(small.tobytes(), digest_size=8, salt=str(small.shape).encode()[:16]).hexdigest()


def blocks_from_thumbnail(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of 4x4 pixels; what is left over at the right and lower edge is cut off.

    Args:
        small: (h,w), 0..255, h and w at least 4.

    Returns:
        (h // 4, w // 4), 0..255.
    """
    h, w = small.shape[0] // BLOCK_PX, small.shape[1] // BLOCK_PX
    tiles = small[: h * BLOCK_PX, : w * BLOCK_PX].reshape(h, BLOCK_PX, w, BLOCK_PX)
    return np.asarray(tiles.sum(axis=1, dtype=np.uint32).sum(axis=-1) / (BLOCK_PX * BLOCK_PX), np.float32)


def fresh_from_blocks(blocks: NDArray[np.float32], reference: NDArray[np.float32] | None) -> float:
    """How far a frame is from being a repetition, 0..1; another size is another picture.

    Args:
        blocks: (h,w) of this frame.
        reference: of the last new frame, or None.
    """
    if reference is None or reference.shape != blocks.shape:
        return 1.0
    return min(1.0, float(np.abs(blocks - reference).mean()) / FROZEN_LEVELS)


def focus_and_gain(small: NDArray[np.uint8], blocks: NDArray[np.float32]) -> tuple[float, float]:
    """Both measured in the lit blocks only; 0 where nothing is lit.

    Focus is the variance of the Laplacian over the variance of the gray levels, so that gain does not pass for detail.

    Args:
        small: (h,w), 0..255.
        blocks: its 4x4 means.

    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000 (variance of the Laplacian);
    Pertuz et al., Analysis of focus measure operators for shape-from-focus, Pattern Recognition 46, 2013 (LAP4).
    """
    lit = np.repeat(np.repeat(blocks > SECTOR_LEVEL, BLOCK_PX, axis=0), BLOCK_PX, axis=1)[1:-1, 1:-1]
    area = small[: lit.shape[0] + 2, : lit.shape[1] + 2].astype(np.int16)
    inner = area[1:-1, 1:-1]
    laplacian = (area[:-2, 1:-1] + area[2:, 1:-1] + area[1:-1, :-2] + area[1:-1, 2:] - 4 * inner)[lit]
    levels = inner[lit]
    if levels.size == 0:
        return 0.0, 0.0
    spread = max(float(levels.var(dtype=np.float64)), 1.0)
    focus = min(1.0, float(laplacian.var(dtype=np.float64)) / spread / FULL_FOCUS)
    mean, saturated = float(levels.mean(dtype=np.float64)), float(np.mean(levels >= SATURATED_LEVEL))
    exposure = min(1.0, mean / GAIN_RANGE[0], (255.0 - mean) / (255.0 - GAIN_RANGE[1]))
    return focus, exposure * (1.0 - min(1.0, saturated / MAX_SATURATED))
