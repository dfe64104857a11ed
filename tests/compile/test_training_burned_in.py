"""Text that a scanner burned into a frame: what training sees of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from compile.training.burned_in import without_text
from edge.preprocess import Preprocess, square_from_frame

HEIGHT, WIDTH = 192, 256
PLACES = {  # where a scanner writes, beside the fan
    "top right": (206, 6),
    "top left": (4, 6),
    "bottom right": (200, 172),
    "left": (1, 90),
}


def frame(seed: int = 0) -> NDArray[np.uint8]:
    """A fan of speckle with a bright arc, on the black of a screen."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    depth, angle = np.hypot(y + 60, x - WIDTH / 2), np.arctan2(x - WIDTH / 2, y + 60)
    coarse = rng.gamma(16, 5, (HEIGHT // 2, WIDTH // 2)).repeat(2, 0).repeat(2, 1)
    arc = 120 * (np.abs(np.hypot(y - 110, x - 128) - 55) < 3)
    fan = (np.abs(angle) < 0.5) & (depth > 75) & (depth < 235)
    return np.asarray(np.clip((coarse + arc) * fan, 0, 255), np.uint8)


def written(
    on: NDArray[np.uint8], text: str, place: tuple[int, int], size: int = 9, level: int = 230
) -> NDArray[np.uint8]:
    image = Image.fromarray(on)
    ImageDraw.Draw(image).multiline_text(place, text, fill=level, font=ImageFont.load_default(size), spacing=0)
    return np.asarray(image)


def seen(of: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What training keeps of a frame."""
    return without_text(square_from_frame(of, Preprocess(size_px=256)), of.shape[:2])


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("size", [8, 10, 12])
@pytest.mark.parametrize("level", [110, 255])
def test_a_planted_label_leaves_no_trace_beside_the_fan(place: tuple[int, int], size: int, level: int) -> None:
    plain = frame()
    for label in ("FEMUR\nHar-low", "4Ch Hrt\n2+3.Trim"):
        planted = written(plain, label, place, size, level)
        assert int((planted != plain).sum()) > 50
        assert np.array_equal(seen(planted)[beside_the_fan()], seen(plain)[beside_the_fan()])


def beside_the_fan() -> NDArray[np.bool_]:
    """Where the square is black, and six pixels away from where it is not."""
    lit = square_from_frame(frame(), Preprocess(size_px=256)) > 0
    grown = lit.copy()
    for shift in range(1, 7):
        for axis in (0, 1):
            grown |= np.roll(lit, shift, axis) | np.roll(lit, -shift, axis)
    return ~grown


@pytest.mark.parametrize("seed", range(3))
def test_a_bright_label_over_tissue_in_a_corner_goes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tissue = np.asarray(rng.uniform(30, 60, (HEIGHT // 2, WIDTH // 2)).repeat(2, 0).repeat(2, 1), np.uint8)
    kept = seen(written(tissue, "FEMUR\nHar-low", (190, 8), 12, 255))
    assert int(kept.max()) < 100  # letters are white


def test_the_anatomy_stays_as_it_is() -> None:
    plain = square_from_frame(frame(), Preprocess(size_px=256))
    kept = seen(frame())
    centre = (slice(60, 196), slice(90, 166))
    assert np.array_equal(kept[centre], plain[centre])
    assert float(np.abs(kept.astype(float) - plain).mean()) < 3


def test_frames_of_another_shape_have_their_margins_where_they_end() -> None:
    tall = frame().T.copy()
    planted = written(tall, "FEM", (162, 2), 10)
    assert int((planted != tall).sum()) > 20
    difference = seen(planted) != seen(tall)
    assert int(difference.sum()) == 0
