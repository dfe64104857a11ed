"""The truth of SelectiveScan2D: numpy float64, one step after the other, nothing clever.

In: a feature map and what x_proj made of it. Out: the map that out_norm reads. Every other form of the operator is
tested against this one.

::

    u (B,H,W,D) ----------------------------+
    x_dbl (B,H,W,K*(R+2N)) -> dt | B | C  --+--> one scan per route k --> added at their pixel --> y (B,H,W,D)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError

Array = NDArray[np.floating[Any]]


def route_pixels(route: int, height: int, width: int) -> NDArray[np.int64]:
    """Which pixel a route visits at each step.

    Args:
        route: 0 rows, 1 columns, 2 rows reversed, 3 columns reversed.
        height: rows of the map, at least 1.
        width: columns of the map, at least 1.

    Returns:
        Row-major pixel index p = row * width + column of step s, shape (height * width,).

    Raises:
        UsageError: there is no such route.

    Source:
        The order of VMamba's cross scan: `cross_scan_fwd` in csm_triton.py, scans=0.
    """
    if route not in (0, 1, 2, 3):
        raise UsageError(f"Route {route!r} does not exist.", "Use 0 rows, 1 columns, 2 rows or 3 columns reversed.")
    rows = np.arange(height * width, dtype=np.int64).reshape(height, width)
    forward = rows.T.reshape(-1) if route % 2 else rows.reshape(-1)
    return np.ascontiguousarray(forward[::-1] if route >= 2 else forward)


def selective_scan_2d_ref(
    u: Array,
    x_dbl: Array,
    dt_weight: Array,
    dt_bias: Array,
    A: Array,
    D: Array,
    routes: Sequence[int],
    layout: str = "last",
) -> NDArray[np.float64]:
    """SelectiveScan2D, step by step in float64.

    Args:
        u: (B, H, W, D), or (B, D, H, W) where `layout` is "first".
        x_dbl: (B, H, W, K*(R+2N)), per route [dt: R | B: N | C: N] at its pixel; channels second if "first".
        dt_weight: (K, D, R).
        dt_bias: (K, D).
        A: (K, D, N), negative: -exp(A_logs).
        D: (K, D), what of u passes straight through.
        routes: K numbers out of 0..3, see `route_pixels`; the weights' K axis follows them.
        layout: "last" or "first", where the channels of u, x_dbl and y stand.

    Returns:
        y, of the shape of u.

    Raises:
        UsageError: no such layout or route, or shapes that do not fit one another.

    Source:
        Eq. 2 and 4 of Mamba (arXiv 2312.00752) with VMamba's cross scan (arXiv 2401.10166).
    """
    if layout not in ("last", "first"):
        raise UsageError(f"Layout {layout!r} does not exist.", 'Use "last" or "first".')
    u, x_dbl, dt_weight, dt_bias, A, D = (np.asarray(a, np.float64) for a in (u, x_dbl, dt_weight, dt_bias, A, D))
    if layout == "first":
        u, x_dbl = np.moveaxis(u, 1, -1), np.moveaxis(x_dbl, 1, -1)
    _check_shapes(u, x_dbl, dt_weight, dt_bias, A, D, routes)
    batch, height, width, channels = u.shape
    rank, states = dt_weight.shape[2], A.shape[2]
    u_pixels = u.reshape(batch, height * width, channels)
    x_pixels = x_dbl.reshape(batch, height * width, len(routes), rank + 2 * states)
    y = np.zeros(u_pixels.shape)
    for k, route in enumerate(routes):
        h = np.zeros((batch, channels, states))
        for p in route_pixels(route, height, width):
            dt_p, B_p, C_p = np.split(x_pixels[:, p, k], [rank, rank + states], axis=-1)
            delta_p = np.logaddexp(0.0, dt_p @ dt_weight[k].T + dt_bias[k])  # softplus; (batch, channels)
            u_p = u_pixels[:, p]
            h = np.exp(delta_p[:, :, None] * A[k]) * h + (delta_p * u_p)[:, :, None] * B_p[:, None, :]
            y[:, p] += (h * C_p[:, None, :]).sum(-1) + D[k] * u_p
    y_map = y.reshape(u.shape)
    return np.moveaxis(y_map, -1, 1) if layout == "first" else y_map


def _check_shapes(
    u: Array, x_dbl: Array, dt_weight: Array, dt_bias: Array, A: Array, D: Array, routes: Sequence[int]
) -> None:
    """Raise unless the channels-last shapes agree: numpy would broadcast some mistakes silently."""
    if u.ndim != 4 or dt_weight.ndim != 3 or A.ndim != 3:
        raise UsageError(
            f"u has {u.ndim} axes, dt_weight {dt_weight.ndim}, A {A.ndim}; expected 4, 3 and 3.",
            "Pass one map per image and one weight block per route.",
        )
    channels, routes_n, rank, states = u.shape[3], len(routes), dt_weight.shape[2], A.shape[2]
    expected = {
        "x_dbl": (x_dbl.shape, (*u.shape[:3], routes_n * (rank + 2 * states))),
        "dt_weight": (dt_weight.shape, (routes_n, channels, rank)),
        "dt_bias": (dt_bias.shape, (routes_n, channels)),
        "A": (A.shape, (routes_n, channels, states)),
        "D": (D.shape, (routes_n, channels)),
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise UsageError(f"{name} has shape {got}, expected {wanted}.", "Check K, D, N, R and the layout.")
