"""Pixels -> JPEG: gray, without metadata, and never more than the region that the frame was cut to."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from edge.preprocess import gray_from_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_QUALITY = 92  # of 100: speckle survives, and 1024x768 stays near 0.4 MB
LIVE_QUALITY = 80  # for the eye, ten times a second and more
LIVE_SIDE_PX = 1024  # longer side; the cart's screen has 1024x600


def jpeg_from_gray(gray: NDArray[np.uint8], quality: int = KEPT_QUALITY) -> bytes:
    """Encode a picture.

    Args:
        gray: (H,W), 0..255.
        quality: 1..95.
    """
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(gray)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def shrunk(pixels: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Gray, its longer side at most so long.

    Args:
        pixels: (H,W) or (H,W,3), 0..255.
        side_px: longest side, pixels.

    Returns:
        (h,w), 0..255.
    """
    from PIL import Image

    gray = gray_from_frame(pixels)
    if max(gray.shape) <= side_px:
        return gray
    scale = side_px / max(gray.shape)
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    picture = Image.fromarray(np.ascontiguousarray(gray))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))
