"""A frame's square -> the same without readable text in the margins, where scanners write presets, dates and names.

::

    margins of the frame: corners, left, right, top and bottom bands
      -> thin short bright strokes (pixel - opening) -> dense ones, on the screen's black or as bright as only text is
      -> grown to blocks -> the square's opening in their place

Openings keep what is OPENING_PX wide both ways or LINE_PX long one way: tissue, skin, bone are no strokes. Letters go,
whatever they say, and leave no trace on black. Text of ordinary brightness over the
anatomy cannot be told from bright tissue at this size; against that, training plants random text on every class
(`augment`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SQUARE_PX = 256  # the sizes below hold for squares of this side
OPENING_PX = 9  # wider than the strokes of a preset's letters in a frame of 256 px, which are 1 to 3 px
LINE_PX = 13  # longer than those letters are high
STROKE_LEVELS = 40  # gray levels above the opening that make a stroke
BRIGHT_LEVELS = 110  # the same for text on tissue; seldom reached by speckle in the corners
DARK_LEVEL = 14  # gray levels of the screen's black with JPEG ripple; a fan's speckle lies above
MIN_DARK = 0.4  # share of the window that is screen; letters cover the rest
WINDOW_PX = 11  # side of the window in which strokes and darkness are counted
MIN_DENSITY = 0.08  # share of the window that strokes cover
GROWTH_PX = 11  # side by which a place with text grows, so that the ends of a line go with it
CORNER = (0.36, 0.32)  # share of the frame's height and width
BAND = (0.10, 0.17)  # top and bottom band, share of the height; left and right band, share of the width


def without_text(square: NDArray[np.uint8], frame: tuple[int, int]) -> NDArray[np.uint8]:
    """Take readable text out of the margins.

    Args:
        square: (S,S), a frame with its aspect kept, centred on black.
        frame: height and width of the frame, any unit.

    Returns:
        (S,S).
    """
    scale = len(square) / SQUARE_PX
    block, line = _odd(OPENING_PX * scale), _odd(LINE_PX * scale)
    opened = _opened(square, block, block)
    kept = np.maximum(np.maximum(opened, _opened(square, 1, line)), _opened(square, line, 1))
    strokes = square.astype(np.int16) - kept
    window = _odd(WINDOW_PX * scale)
    on_screen = _share(strokes > STROKE_LEVELS, window) > MIN_DENSITY
    on_screen &= _share(square < DARK_LEVEL, window) > MIN_DARK
    on_tissue = _share(strokes > BRIGHT_LEVELS, window) > MIN_DENSITY
    on_tissue[len(square) // 2 :] = False  # presets stand at the top; below, a skull's sides are as bright
    text = (on_screen | on_tissue) & _margins(len(square), frame)
    growth = _odd(GROWTH_PX * scale)
    return np.where(_over(np.logical_or, _over(np.logical_or, text, growth, 0), growth, 1), opened, square)


def _odd(size: float) -> int:
    return max(1, round((size - 1) / 2)) * 2 + 1


def _over(combine: np.ufunc, x: NDArray[Any], size: int, axis: int) -> NDArray[Any]:
    """Combine each pixel with its neighbours along an axis, `size` pixels in all; the edge repeats."""
    half = size // 2
    padding = [(0, 0), (0, 0)]
    padding[axis] = (half, half)
    padded = np.pad(x, padding, mode="edge").swapaxes(0, axis)
    width = 1  # of the runs that are combined already; runs may overlap
    while width < size:
        step = min(width, size - width)
        padded = combine(padded[:-step], padded[step:])
        width += step
    combined: NDArray[Any] = padded.swapaxes(0, axis)
    return combined


def _opened(square: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    x: NDArray[np.uint8] = square
    for combine in (np.minimum, np.maximum):
        x = _over(combine, _over(combine, x, height, 0), width, 1)
    return x


def _share(mask: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Share of a window around each pixel, (S,S)."""
    x: NDArray[np.float32] = mask.astype(np.float32)
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (size // 2 + 1, size // 2)
        sums = np.pad(x, padding).cumsum(axis, dtype=np.float32).swapaxes(0, axis)
        x = ((sums[size:] - sums[:-size]) / size).swapaxes(0, axis)
    return x


def _margins(side: int, frame: tuple[int, int]) -> NDArray[np.bool_]:
    """(S,S): where in a square the frame's margins lie; the black around the frame belongs to them."""
    rims = []
    for length in frame:
        inside = max(1, round(length * side / max(frame)))
        at = (np.arange(side) - (side - inside) // 2 + 0.5) / inside
        rims.append(np.minimum(at, 1 - at))
    y, x = rims[0][:, None], rims[1][None]
    return np.asarray(((y < CORNER[0]) & (x < CORNER[1])) | (y < BAND[0]) | (x < BAND[1]))
