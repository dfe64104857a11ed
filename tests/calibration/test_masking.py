from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibration.masking import (
    ARMS,
    SHARE,
    areas_of_cells,
    cells_from_order,
    drops_from_session,
    masked_square,
)
from edge.errors import LabelsError, UsageError
from edge.preprocess import Placement
from tests.calibration.attention_cases import session_with_map

WIDE = Placement(slice(0, 40), slice(0, 80), top=16, left=0, height=32, width=64)  # of a 64-pixel square
ROWS = [(0, "abdomen", "p1", ""), (1, "femur", "p2", ""), (1, "femur", "p3", ""), (0, "abdomen", "p3", "")]


def silent(_stage: str, _share: float) -> None:
    """Nobody watches."""


def test_only_pixels_of_the_picture_count() -> None:
    areas = areas_of_cells(WIDE, (8, 8), 64)
    assert areas.sum() == 32 * 64
    assert not areas[:2].any()
    assert (areas[2:6] == 64).all()


def test_a_picture_that_ends_within_a_cell_counts_its_part() -> None:
    place = Placement(slice(0, 30), slice(0, 64), top=17, left=0, height=30, width=64)
    assert areas_of_cells(place, (4, 4), 64)[:, 0].tolist() == [0, 15 * 16, 15 * 16, 0]


def test_cells_are_taken_in_order_until_a_fifth_is_hidden() -> None:
    areas = areas_of_cells(WIDE, (8, 8), 64)
    order = np.arange(64)[::-1].copy()
    chosen = cells_from_order(order, areas, SHARE)
    assert areas[chosen].sum() == pytest.approx(SHARE * areas.sum(), abs=32)
    assert np.flatnonzero(chosen).tolist() == list(range(42, 48))  # 6 of 32 cells, from the last that hold the picture


def test_hidden_cells_are_blurred_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(0)
    square = np.zeros((64, 64), np.uint8)
    square[16:48] = rng.integers(0, 255, (32, 64))
    hidden = np.zeros((8, 8), np.bool_)
    hidden[1:4, 2] = True  # one row of it is padding
    masked = masked_square(square, WIDE, hidden)
    cell = np.s_[16:32, 16:24]
    assert masked[cell].std() < square[cell].std() / 3
    assert abs(float(masked[cell].mean()) - float(square[cell].mean())) < 15
    masked[cell] = square[cell]
    np.testing.assert_array_equal(masked, square)


def test_what_the_map_points_at_matters_more_than_a_random_fifth(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session:
        drops = drops_from_session(session, planes.dataset(*ROWS), silent)
    top, random, bottom = (drops.logit[:, ARMS.index(arm)] for arm in ARMS[:3])
    assert len(drops.samples) == 4
    assert top.mean() > random.mean() > bottom.mean()
    assert (drops.probability[:, 0] > 0).all()
    np.testing.assert_allclose(drops.area, SHARE, atol=0.05)
    low, high = drops.interval(top - random)
    assert low <= (top - random).mean() <= high


def test_the_same_seed_gives_the_same_figures_and_another_one_others(planes: Any, bundles: Any) -> None:
    dataset = planes.dataset(*ROWS)
    with session_with_map(bundles) as session:
        first, again, other = (drops_from_session(session, dataset, silent, seed).logit for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_images_named_wrongly_or_of_no_plane_are_left_out(planes: Any, bundles: Any) -> None:
    rows = [*ROWS[:2], (1, "abdomen", "p5", ""), (2, "not_standard", "p6", "")]
    with session_with_map(bundles) as session:
        drops = drops_from_session(session, planes.dataset(*rows), silent)
    assert [sample.patient for sample in drops.samples] == ["p1", "p2"]


def test_too_few_right_answers_are_told(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session, pytest.raises(LabelsError, match="1 images"):
        drops_from_session(session, planes.dataset(ROWS[0], (1, "abdomen", "", "")), silent)


def test_a_bundle_without_maps_is_a_usage_error(planes: Any) -> None:
    with planes.session() as session, pytest.raises(UsageError, match="no attention maps"):
        drops_from_session(session, planes.dataset(*ROWS), silent)
