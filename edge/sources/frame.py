"""One picture of a scanner's screen, and the sizes that are let in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MIN_SIDE_PX = 32  # below it no plane can be told apart: the networks' last map is 1/32 of the input
MAX_PIXELS = 36_000_000  # an 8K screen (7680 x 4320) has 33 M; a larger picture is no frame and would take > 100 MB
DEPTHS_BITS = (8, 10, 12, 14, 16)  # that scanners and capture cards digitise with


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        pixels: (H,W) gray or (H,W,3) RGB, 0..255.
        input: the file it comes from, as it was named.
        index: its number in that file, from 0.
        time_ms: since the first frame; None for a still.
        machine: scanner model, where the file tells (DICOM); else empty.
    """

    pixels: NDArray[np.uint8]
    input: str
    index: int
    time_ms: float | None
    machine: str = ""


def check_size(path: Path, width: int, height: int) -> None:
    """Raise ImageError for a picture too small to hold a plane or too large to be one; called before decoding."""
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(
            f"{path} is {width}x{height} pixels; the shorter side must have at least {MIN_SIDE_PX}.",
            "Give the frame in the scanner's own size, not a thumbnail.",
        )
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{path} is {width}x{height} = {width * height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 1_000_000}"
            " are read (an 8K screen has 33).",
            "Scale it down or cut the frame out of it.",
        )


def bytes_from_deep(pixels: NDArray[np.unsignedinteger], depth_bits: int | None = None) -> NDArray[np.uint8]:
    """Scale pixels of more than 8 bits to 0..255 by their depth, so that 12-bit data in a 16-bit file is not black.

    Args:
        pixels: any shape, 0..65535.
        depth_bits: bits that are really used, where the file says so. Without it: the smallest of 8, 10, 12, 14, 16
            that holds the largest pixel.

    Returns:
        Same shape, round(pixel * 255 / (2^depth - 1)).
    """
    if depth_bits is None:
        largest = int(pixels.max(initial=0))
        depth_bits = next(bits for bits in DEPTHS_BITS if largest < 1 << bits)
    if depth_bits == 8:
        return pixels.astype(np.uint8)
    full = (1 << depth_bits) - 1
    scaled: NDArray[np.uint32] = (np.minimum(pixels, full).astype(np.uint32) * 255 + full // 2) // full
    return scaled.astype(np.uint8)
