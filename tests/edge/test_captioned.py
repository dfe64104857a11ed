from __future__ import annotations

import io

import numpy as np
from PIL import Image

from edge.captioned import BACKGROUND, MIN_WIDTH_PX, png_from_picture


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_picture_stays_as_it_is_above_its_lines() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (50, 400, 3), dtype=np.uint8)
    canvas = np.asarray(opened(png_from_picture(picture, ["one line"], {})))
    np.testing.assert_array_equal(canvas[:50], picture)
    assert (canvas[50:] != BACKGROUND).any()


def test_a_narrow_picture_gets_a_margin_and_no_line_is_cut() -> None:
    picture = np.full((40, 33, 3), 200, np.uint8)
    canvas = np.asarray(opened(png_from_picture(picture, ["many words " * 30], {})))
    assert canvas.shape[1] == MIN_WIDTH_PX
    assert (canvas[:, -6:] == BACKGROUND).all()
    assert canvas.shape[0] > 150


def test_texts_of_any_script_stand_in_the_file_and_empty_ones_do_not() -> None:
    png = png_from_picture(np.zeros((40, 40, 3), np.uint8), [], {"Disclaimer": "仅供科研", "Comment": ""})
    assert opened(png).text == {"Disclaimer": "仅供科研"}  # type: ignore[attr-defined]


def test_chinese_is_drawn_and_wrapped_between_its_letters() -> None:
    picture = np.zeros((40, 320, 3), np.uint8)
    drawn = [np.asarray(opened(png_from_picture(picture, [line], {})))[40:] for line in ("仅供科研", "仅供临床")]
    assert drawn[0].shape == drawn[1].shape
    assert (drawn[0] != drawn[1]).any()  # letters, and not twice the box of a font that has none
    long = np.asarray(opened(png_from_picture(picture, ["仅供科研，不用于临床诊断。" * 6], {})))
    assert long.shape[0] - 40 > 2 * drawn[0].shape[0]
    assert (long[40:, -6:] == BACKGROUND).all()
