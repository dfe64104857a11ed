from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.attention import (
    COLOURS,
    HEAD_PART,
    Head,
    array_from_head,
    head_from_bundle,
    map_from_features,
    map_on_frame,
    overlay_from_map,
)
from edge.bundle import Bundle
from edge.errors import DeviceError, TrustError
from edge.manifest import Manifest
from edge.preprocess import Preprocess
from tests.edge.conftest import npy

HEAD = Head(np.array([[1, 0], [0, -1], [-1, -1]], np.float32), np.array([0.5, 0, 0], np.float32))


def hot_cell(row: int, column: int, side: int = 8) -> Any:
    cells = np.zeros((side, side), np.float32)
    cells[row, column] = 1
    return cells


def test_the_map_is_the_class_activation_without_its_negative_part() -> None:
    features = np.array([[[2, 7], [-3, 7]], [[1, 7], [4, 7]]], np.float32)
    np.testing.assert_array_equal(map_from_features(features, HEAD, 0), np.array([[0.5, 0], [0.25, 1]], np.float32))


def test_where_nothing_speaks_for_the_class_the_map_stays_zero() -> None:
    features = np.ones((3, 4, 2), np.float32)
    np.testing.assert_array_equal(map_from_features(features, HEAD, 2), np.zeros((3, 4), np.float32))


def test_a_map_of_another_depth_is_told() -> None:
    with pytest.raises(DeviceError, match="3 channels, the bundle's head 2"):
        map_from_features(np.ones((2, 2, 3), np.float32), HEAD, 0)


def test_the_head_gives_the_logits_of_the_mean() -> None:
    features = np.array([[[2, 7], [4, 5]]], np.float32)
    np.testing.assert_allclose(HEAD.logits_from_features(features), [3.5, -6, -9])
    np.testing.assert_allclose(HEAD.logits_from_features(features[None]), [[3.5, -6, -9]])


@pytest.mark.parametrize("shape", [(48, 96), (96, 48), (64, 64), (30, 480)])
def test_a_hot_cell_lies_on_what_the_network_saw_there(shape: tuple[int, int]) -> None:
    """The frame is bright exactly where the square's cell (4,5) is; the map must be highest inside of it."""
    size, side = 64, 8
    scale = size / max(shape)
    top, left = ((size - round(length * scale)) // 2 for length in shape)
    y, x = (np.arange(length) for length in shape)
    inside = ((y[:, None] * scale + top) // 8 == 4) & ((x[None] * scale + left) // 8 == 5)
    laid = map_on_frame(hot_cell(4, 5, side), np.zeros(shape, np.uint8), Preprocess(size_px=size))
    assert laid.shape == shape
    assert laid.dtype == np.float32
    assert inside[np.unravel_index(laid.argmax(), shape)]
    weights = laid / laid.sum()
    centre, expected = ((weights.sum(1) @ y, weights.sum(0) @ x), (np.nonzero(inside)[0], np.nonzero(inside)[1]))
    for found, wanted in zip(centre, expected, strict=True):
        assert found == pytest.approx(wanted.mean(), abs=1.5 / scale)


def test_padding_does_not_reach_the_frame() -> None:
    cells = np.zeros((8, 8), np.float32)
    cells[:1] = 1
    laid = map_on_frame(cells, np.zeros((32, 64), np.uint8), Preprocess(size_px=64))
    assert laid.max() == 0


def test_what_the_crop_cut_off_stays_zero() -> None:
    frame = np.zeros((120, 200, 3), np.uint8)
    frame[10:90, 50:150] = 150
    laid = map_on_frame(np.ones((4, 4), np.float32), frame, Preprocess(size_px=64, crop="sector"))
    np.testing.assert_allclose(laid[10:90, 50:150], 1, atol=1e-6)
    laid[10:90, 50:150] = 0
    assert laid.max() == 0


def test_an_overlay_is_the_gray_frame_where_the_map_is_zero() -> None:
    frame = np.arange(12, dtype=np.uint8).reshape(3, 4)
    overlay = overlay_from_map(frame, np.zeros((3, 4), np.float32))
    np.testing.assert_array_equal(overlay, np.stack([frame] * 3, axis=-1))


def test_a_higher_map_is_lighter_and_the_colours_rise_in_lightness() -> None:
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[None]
    overlay = overlay_from_map(np.zeros((1, 50, 3), np.uint8), ramp).astype(float)
    assert (np.diff(overlay[0] @ [0.2126, 0.7152, 0.0722]) >= -0.5).all()
    assert (np.diff(np.array(COLOURS) @ [0.2126, 0.7152, 0.0722]) > 0).all()


def bundle_with(manifest: Manifest, head: bytes) -> Bundle:
    return Bundle(manifest, {HEAD_PART: memoryview(head)}, b"", "")


def test_a_head_survives_its_part(manifest: Manifest) -> None:
    head = head_from_bundle(bundle_with(manifest, npy(array_from_head(HEAD))))
    assert head is not None
    np.testing.assert_array_equal(head.weight, HEAD.weight)
    np.testing.assert_array_equal(head.bias, HEAD.bias)


def test_a_bundle_may_carry_no_head(manifest: Manifest) -> None:
    assert head_from_bundle(replace(bundle_with(manifest, b""), parts={})) is None


@pytest.mark.parametrize(
    "head",
    [
        b"\x93NUMPY",
        b"",
        npy(np.zeros((2, 5), np.float32)),
        npy(np.zeros((3, 5), np.float64)),
        npy(np.zeros(3, np.float32)),
        npy(np.full((3, 5), np.nan, np.float32)),
    ],
)
def test_a_head_that_does_not_fit_is_not_trusted(manifest: Manifest, head: bytes) -> None:
    with pytest.raises(TrustError, match="head"):
        head_from_bundle(bundle_with(manifest, head))
