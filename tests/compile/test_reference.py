"""The reference itself, against cases that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from compile.kernels.reference import route_pixels, selective_scan_2d_ref
from edge.errors import UsageError

SOFTPLUS_0 = math.log(2.0)  # delta where dt_weight and dt_bias are 0


@pytest.mark.parametrize(
    ("route", "pixels"),
    [(0, [0, 1, 2, 3, 4, 5]), (1, [0, 3, 1, 4, 2, 5]), (2, [5, 4, 3, 2, 1, 0]), (3, [5, 2, 4, 1, 3, 0])],
)
def test_route_visits_the_pixels_of_a_2x3_map_in_this_order(route: int, pixels: list[int]) -> None:
    assert route_pixels(route, height=2, width=3).tolist() == pixels


def test_one_pixel_by_hand() -> None:
    u, dt, b, c, weight, bias, a, d = 3.0, 0.5, 2.0, -1.0, 4.0, -2.0, -0.7, 0.25
    delta = math.log1p(math.exp(weight * dt + bias))
    y = selective_scan_2d_ref(
        np.full((1, 1, 1, 1), u),
        np.array([dt, b, c]).reshape(1, 1, 1, 3),
        np.full((1, 1, 1), weight),
        np.full((1, 1), bias),
        np.full((1, 1, 1), a),
        np.full((1, 1), d),
        routes=[0],
    )
    assert y.item() == pytest.approx(c * delta * b * u + d * u, rel=1e-15)


@pytest.mark.parametrize(
    ("route", "order"), [(0, [0, 1, 2, 3]), (1, [0, 2, 1, 3]), (2, [3, 2, 1, 0]), (3, [3, 1, 2, 0])]
)
def test_state_decays_along_the_route(route: int, order: list[int]) -> None:
    a = -0.7
    u = np.zeros(4)
    u[order[0]] = 1.0  # an impulse at the route's first pixel
    x_dbl = np.tile([0.0, 1.0, 1.0], 4).reshape(1, 2, 2, 3)
    zeros = np.zeros((1, 1))
    y = selective_scan_2d_ref(
        u.reshape(1, 2, 2, 1), x_dbl, zeros[..., None], zeros, np.full((1, 1, 1), a), zeros, routes=[route]
    )
    expected = [SOFTPLUS_0 * math.exp(SOFTPLUS_0 * a * step) for step in range(4)]
    np.testing.assert_allclose(y.reshape(4)[order], expected, rtol=1e-14)


def operands(batch: int, height: int, width: int, d: int, r: int, n: int, k: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(batch, height, width, d), (batch, height, width, k * (r + 2 * n)), (k, d, r), (k, d), (k, d, n), (k, d)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    arrays[4] = -np.exp(arrays[4])
    return arrays


def test_routes_add_up() -> None:
    u, x_dbl, *weights = operands(2, 3, 2, d=4, r=2, n=3, k=2)
    both = selective_scan_2d_ref(u, x_dbl, *weights, routes=[3, 0])
    each = [
        selective_scan_2d_ref(u, x_dbl[..., 8 * k : 8 * k + 8], *(w[k : k + 1] for w in weights), routes=[route])
        for k, route in enumerate([3, 0])
    ]
    np.testing.assert_allclose(both, each[0] + each[1], rtol=1e-13, atol=1e-13)


def test_channels_first_is_the_same_function() -> None:
    u, x_dbl, *weights = operands(2, 3, 4, d=5, r=2, n=1, k=4)
    first = selective_scan_2d_ref(
        np.moveaxis(u, -1, 1), np.moveaxis(x_dbl, -1, 1), *weights, routes=[0, 1, 2, 3], layout="first"
    )
    last = selective_scan_2d_ref(u, x_dbl, *weights, routes=[0, 1, 2, 3])
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), last)


def test_huge_time_step_stays_finite() -> None:
    u, x_dbl, weight, bias, a, d = operands(1, 2, 2, d=3, r=1, n=1, k=1)
    y = selective_scan_2d_ref(u, x_dbl, weight, bias + 1e4, a, d, routes=[0])
    assert np.isfinite(y).all()


@pytest.mark.parametrize("route", [-1, 4])
def test_unknown_route_is_refused(route: int) -> None:
    with pytest.raises(UsageError, match="Route"):
        route_pixels(route, 2, 2)


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(UsageError, match="Layout"):
        selective_scan_2d_ref(*operands(1, 2, 2, d=3, r=1, n=1, k=1), routes=[0], layout="middle")


@pytest.mark.parametrize(("index", "name"), [(1, "x_dbl"), (3, "dt_bias"), (5, "D")])
def test_shape_that_numpy_would_broadcast_is_refused(index: int, name: str) -> None:
    arrays = operands(1, 2, 2, d=3, r=1, n=1, k=1)
    arrays[index] = arrays[index][..., :1]
    with pytest.raises(UsageError, match=name):
        selective_scan_2d_ref(*arrays, routes=[0])
