"""Is this frame a grey-scale ultrasound image at all? Asked before the model, which would name a plane on anything.

::

    frame -> thumbnail (longest side about 256 px) -> blank?  colour?  noise?  text? -> why it is unfit, or None

The checks are few, deterministic and lenient: turning away a real image is worse than passing a bad one on to the
threshold. Figures named "real" below are extremes over 3,486 images of FETAL_PLANES_DB, HC18, Fetus Framework and
SonoNet; every third of them also enlarged on a black 1280x1024 screen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import ImageError
from edge.preprocess import gray_from_frame
from edge.sources.frame import MAX_PIXELS, MIN_SIDE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKS = ("blank", "colour", "noise", "text")

THUMBNAIL_PX = 256  # the model sees 224: what averages out at 256 it does not see either
MIN_CONTRAST = 4.0  # gray levels, standard deviation; real: at least 6.6. A black frame with sensor noise has 1 to 3
MAX_CHROMA_RESIDUAL = 32.0  # of 255; JPEG colour noise and curved tint maps stay below 16, Doppler colours reach 150
MAX_COLOURED = 0.02  # share of pixels; logos, markers and colour bars of a B-mode screen take some 0.005
MIN_CORRELATION = 0.5  # between neighbours, 1 = smooth; real: at least 0.80. White noise 0
FLAT_LEVELS = 4  # gray levels either side of the commonest that count as background: JPEG ripple
MIN_FLAT = 0.5  # share of background above which a frame may be a text screen
LIT_LEVELS = 12  # gray levels from the background that count as drawn on it
SPECKLE_LEVELS = (3, 80)  # gray levels, range within 3x3 pixels: below is a filled box, above is an edge of a letter
MIN_SPECKLED = 0.2  # share of the lit area that is speckled inside; real: at least 0.26, text 0.19, menus mostly below


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Refuse an array that is no frame.

    Args:
        frame: what a caller gave.

    Raises:
        ImageError: not uint8, not (H,W) or (H,W,3), or a side or area out of range.
    """
    shape = getattr(frame, "shape", None)
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        raise ImageError(
            f"The frame is {getattr(frame, 'dtype', type(frame).__name__)}; expected an array of uint8.",
            "Scale it to 0..255 and convert it.",
        )
    if frame.ndim not in (2, 3) or frame.shape[2:] not in ((), (3,)):
        raise ImageError(f"The frame has shape {shape}; expected (H,W) or (H,W,3).", "Give one image in gray or RGB.")
    if min(frame.shape[:2]) < MIN_SIDE_PX or frame.shape[0] * frame.shape[1] > MAX_PIXELS:
        raise ImageError(
            f"The frame has shape {shape}; a side has at least {MIN_SIDE_PX} px, the area at most {MAX_PIXELS} px.",
            "Give the scanner's image in its own size.",
        )


def unfit_from_frame(frame: NDArray[np.uint8], checks: Collection[str] = CHECKS) -> str | None:
    """Why a frame cannot be judged.

    Args:
        frame: (H,W) or (H,W,3), 0..255.
        checks: which of CHECKS to make.

    Returns:
        A short reason, or None for a frame that passes.
    """
    small = thumbnail_from_frame(frame)
    gray = gray_from_frame(small)
    if "blank" in checks and float(gray.std()) < MIN_CONTRAST:
        return "blank: the frame has no contrast"
    if "colour" in checks and small.ndim == 3 and coloured_share(small) > MAX_COLOURED:
        return "colour: colour Doppler or a photograph, not a grey-scale image"
    if "noise" in checks and neighbour_correlation(gray) < MIN_CORRELATION:
        return "noise: neighbouring pixels are unrelated"
    if "text" in checks and flat_share(gray) > MIN_FLAT and speckled_share(gray) < MIN_SPECKLED:
        return "text: a menu or text screen, not an ultrasound image"
    return None


def thumbnail_from_frame(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Block means by the whole factor that brings the longest side to 256..511 px; smaller frames stay as they are."""
    from PIL import Image

    factor = max(frame.shape[:2]) // THUMBNAIL_PX
    if factor < 2:
        return frame
    return np.asarray(Image.fromarray(np.ascontiguousarray(frame)).reduce(factor))


def coloured_share(frame: NDArray[np.uint8]) -> float:
    """Share of pixels whose colour is not that of the frame's tint.

    A tinted B-mode image has a colour that follows its luma; the best straight line is taken out of both colour
    differences, and what is left beyond MAX_CHROMA_RESIDUAL counts.

    Args:
        frame: (H,W,3), 0..255.
    """
    rgb = frame.reshape(-1, 3).astype(np.float32)
    luma = gray_from_frame(frame).reshape(-1).astype(np.float32)
    spread = luma - luma.mean()
    power = max(float(spread @ spread), 1.0)
    residual = np.zeros_like(luma)
    for channel in (0, 2):
        chroma = rgb[:, channel] - luma
        chroma -= chroma.mean()
        np.maximum(residual, np.abs(chroma - spread * (float(spread @ chroma) / power)), out=residual)
    return float((residual > MAX_CHROMA_RESIDUAL).mean())


def neighbour_correlation(gray: NDArray[np.uint8]) -> float:
    """Correlation of horizontal and vertical neighbours, mean of both.

    Args:
        gray: (H,W), 0..255.
    """
    centred = gray.astype(np.float32) - gray.mean(dtype=np.float32)
    variance = max(float(np.mean(centred**2)), 1e-6)
    across = float(np.mean(centred[:, 1:] * centred[:, :-1]))
    down = float(np.mean(centred[1:] * centred[:-1]))
    return (across + down) / (2 * variance)


def flat_share(gray: NDArray[np.uint8]) -> float:
    """Share of pixels within FLAT_LEVELS of one gray level, the best one."""
    counts = np.bincount(gray.reshape(-1), minlength=256)
    return float(np.convolve(counts, np.ones(2 * FLAT_LEVELS + 1), "same").max() / gray.size)


def speckled_share(gray: NDArray[np.uint8]) -> float:
    """Share of what is drawn on the background that looks like tissue: lit all around, neither smooth nor an edge.

    Args:
        gray: (H,W), 0..255, H and W at least 3.
    """
    background = int(np.bincount(gray.reshape(-1), minlength=256).argmax())
    lit = np.abs(gray.astype(np.int16) - background) > LIT_LEVELS
    levels = gray.astype(np.int16)
    span = _over_block(np.maximum, levels) - _over_block(np.minimum, levels)
    inside = _over_block(np.logical_and, lit)
    speckled = inside & (span >= SPECKLE_LEVELS[0]) & (span < SPECKLE_LEVELS[1])
    return float(speckled.sum() / max(1, int(lit.sum())))


def _over_block(combine: np.ufunc, array: NDArray[Any]) -> NDArray[Any]:
    """Combine each pixel with its eight neighbours; the border is left out."""
    rows = combine(combine(array[:-2], array[1:-1]), array[2:])
    block: NDArray[Any] = combine(combine(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return block
