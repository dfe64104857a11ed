"""Frame -> network input. The only implementation: training, calibration and device call it.

::

    frame (H,W) | (H,W,3) uint8
      -> gray (H,W) uint8            luma of ITU-R BT.601
      -> sector (h,w) uint8          if asked: the scanner's screen around the fan is cut off
      -> square (S,S) uint8          aspect kept, black padding
      -> input (1,C,S,S) float32     (gray / 255 - mean) / std
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECTOR_LEVEL = 12  # gray levels of 255: a fan's speckle lies above it, a screen's black background below (fpdb, hc18)
SECTOR_FILL = 0.08  # share of lit pixels a row or column of the fan has; lines of text have less


@dataclass(frozen=True)
class Preprocess:
    """How a frame becomes the network's input; stands in the manifest of every bundle.

    Attributes:
        size_px: side of the square input.
        mean: subtracted from gray / 255.
        std: divisor after that.
        channels: 1, or 3 equal channels for networks trained on colour images.
        crop: "none", or "sector" to cut the scanner's screen away first.
    """

    size_px: int = 224
    mean: float = 0.25
    std: float = 0.25
    channels: int = 1
    crop: str = "none"


def gray_from_frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of a frame.

    Args:
        frame: (H,W) or (H,W,3), 0..255.

    Returns:
        (H,W), 0..255.

    Source: ITU-R BT.601-7, section 2.5.1, as Pillow computes it: (19595 R + 38470 G + 7471 B + 32768) >> 16, in
    integers, so that every machine gives the same bytes; a tenth of numpy's time for the same sum.
    """
    if frame.ndim == 2:
        return frame
    from PIL import Image

    return np.asarray(Image.fromarray(frame).convert("L"))


def sector_from_gray(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a scanner's screen down to the ultrasound sector: the largest block of well-lit rows and columns.

    Args:
        gray: (H,W), 0..255.

    Returns:
        (h,w) view; the whole frame where no sector stands out.
    """
    return gray[_sector(gray)]


def box_from_gray(gray: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Where the ultrasound sector lies on a scanner's screen; None where none stands out.

    Args:
        gray: (H,W), 0..255.

    Returns:
        Its rows and its columns.
    """
    lit = gray > SECTOR_LEVEL
    rows = _longest_run(lit.mean(axis=1) > SECTOR_FILL)
    columns = _longest_run(lit[rows].mean(axis=0) > SECTOR_FILL)
    return (rows, columns) if min(gray[rows, columns].shape) >= min(gray.shape) // 4 else None


def _sector(gray: NDArray[np.uint8]) -> tuple[slice, slice]:
    return box_from_gray(gray) or (slice(0, gray.shape[0]), slice(0, gray.shape[1]))


def _longest_run(mask: NDArray[np.bool_]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    if edges.size == 0:
        return slice(0, mask.size)
    starts, stops = edges[::2], edges[1::2]
    best = int(np.argmax(stops - starts))
    return slice(int(starts[best]), int(stops[best]))


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the square that the network sees.

    Attributes:
        rows, columns: the frame's pixels that are kept, the others cut off.
        top, left: where they begin in the square, pixels.
        height, width: what they take of it, pixels; the rest is black padding.
    """

    rows: slice
    columns: slice
    top: int
    left: int
    height: int
    width: int


def placement_from_gray(gray: NDArray[np.uint8], preprocess: Preprocess) -> Placement:
    """Crop if asked, then the largest size of the same aspect that fits, centred.

    Args:
        gray: (H,W), 0..255.
        preprocess: size and crop.
    """
    whole = slice(0, gray.shape[0]), slice(0, gray.shape[1])
    rows, columns = _sector(gray) if preprocess.crop == "sector" else whole
    size, sides = preprocess.size_px, (rows.stop - rows.start, columns.stop - columns.start)
    scale = size / max(sides)
    height, width = (max(1, round(side * scale)) for side in sides)
    return Placement(rows, columns, (size - height) // 2, (size - width) // 2, height, width)


def square_from_frame(frame: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Gray, cropped if asked, scaled with its aspect kept, centred on black.

    Args:
        frame: (H,W) or (H,W,3), 0..255.
        preprocess: size and crop.

    Returns:
        (S,S), 0..255.
    """
    from PIL import Image

    gray = gray_from_frame(frame)
    place = placement_from_gray(gray, preprocess)
    kept = Image.fromarray(np.ascontiguousarray(gray[place.rows, place.columns]))
    square = np.zeros((preprocess.size_px, preprocess.size_px), np.uint8)
    square[place.top : place.top + place.height, place.left : place.left + place.width] = np.asarray(
        kept.resize((place.width, place.height), Image.Resampling.BILINEAR)
    )
    return square


def input_from_square(square: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """Scale a square to the network's range.

    Args:
        square: (S,S), 0..255.
        preprocess: mean, std and channels.

    Returns:
        (1,C,S,S).
    """
    scaled = (square.astype(np.float32) / np.float32(255) - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    return np.ascontiguousarray(np.broadcast_to(scaled, (1, preprocess.channels, *square.shape)))


def input_from_frame(frame: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """The whole way: frame (H,W) or (H,W,3), 0..255 -> input (1,C,S,S)."""
    return input_from_square(square_from_frame(frame, preprocess), preprocess)
