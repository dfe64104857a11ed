from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.preprocess import (
    Placement,
    Preprocess,
    gray_from_frame,
    placement_from_gray,
    sector_from_gray,
    square_from_frame,
)


def screen(height: int, width: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
    """A black scanner screen with one lit block."""
    gray = np.zeros((height, width), np.uint8)
    gray[rows, columns] = 150
    return gray


@pytest.mark.parametrize(
    ("shape", "top", "left", "height", "width"),
    [((48, 96), 16, 0, 32, 64), ((96, 48), 0, 16, 64, 32), ((50, 50), 0, 0, 64, 64), ((33, 100), 21, 0, 21, 64)],
)
def test_a_frame_keeps_its_aspect_and_stands_in_the_middle(
    shape: tuple[int, int], top: int, left: int, height: int, width: int
) -> None:
    place = placement_from_gray(np.full(shape, 90, np.uint8), Preprocess(size_px=64))
    assert place == Placement(slice(0, shape[0]), slice(0, shape[1]), top, left, height, width)


def test_the_placement_is_where_the_square_is_lit() -> None:
    frame = np.full((40, 100), 90, np.uint8)
    square = square_from_frame(frame, Preprocess(size_px=64))
    place = placement_from_gray(frame, Preprocess(size_px=64))
    expected = np.zeros((64, 64), np.uint8)
    expected[place.top : place.top + place.height, place.left : place.left + place.width] = 90
    np.testing.assert_array_equal(square, expected)


def test_a_sector_is_cut_out_before_it_is_placed() -> None:
    gray = screen(120, 200, slice(10, 90), slice(50, 150))
    place = placement_from_gray(gray, Preprocess(size_px=50, crop="sector"))
    assert (place.rows, place.columns) == (slice(10, 90), slice(50, 150))
    assert (place.height, place.width) == (40, 50)
    assert sector_from_gray(gray).shape == (80, 100)


def test_a_screen_without_a_sector_is_used_whole() -> None:
    gray = screen(120, 200, slice(10, 20), slice(50, 60))
    place = placement_from_gray(gray, Preprocess(size_px=50, crop="sector"))
    assert (place.rows, place.columns) == (slice(0, 120), slice(0, 200))


def test_luma_of_every_colour_is_the_integer_sum_of_bt_601() -> None:
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in range(256):
        colours = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
        expected = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
        assert np.array_equal(gray_from_frame(colours), expected)
