"""Float weights <-> int8 with one scale per output channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError

SMALLEST_SCALE = 2.0**-24  # of a channel that is all zeros: the smallest that float16 holds; 0 would divide by zero


def int8_from_weights(
    weights: NDArray[np.floating[Any]], axis: int, name: str, largest: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize weights, symmetric, to the nearest step.

    Args:
        weights: of one layer, finite.
        axis: axis of the output channels.
        name: for the error message.
        largest: largest integer, 127, or 63 for 7 bits.

    Returns:
        Integers in -largest..largest of the weights' shape, and one scale per output channel.

    Raises:
        ModelError: a weight is NaN or infinite.
    """
    if not np.isfinite(weights).all():
        raise ModelError(f"Weight {name} holds NaN or infinity.", "Train again, or take an earlier checkpoint.")
    others = tuple(a for a in range(weights.ndim) if a != axis)
    scales = np.maximum(np.abs(weights).max(axis=others) / largest, SMALLEST_SCALE).astype(np.float32)
    steps = np.rint(weights / _along(scales, axis, weights.ndim))
    return np.clip(steps, -largest, largest).astype(np.int8), scales


def weights_from_int8(integers: NDArray[np.int8], scales: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """The float values that integers stand for."""
    return integers.astype(np.float32) * _along(scales, axis, integers.ndim)


def _along(scales: NDArray[np.float32], axis: int, ndim: int) -> NDArray[np.float32]:
    return scales.reshape([-1 if a == axis else 1 for a in range(ndim)])
