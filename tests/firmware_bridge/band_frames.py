"""Frames for the bands' bundle of tests/edge/serving.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tissue(band: int) -> NDArray[np.uint8]:
    """Speckle, brighter in one band of three: what the bands' bundle answers."""
    rng = np.random.default_rng(band)
    frame = np.full((192, 192), 60.0) + rng.normal(0, 20, (48, 48)).repeat(4, 0).repeat(4, 1)
    frame += rng.normal(0, 3, frame.shape)
    frame[band * 64 : (band + 1) * 64] += 120
    return np.clip(frame, 0, 255).astype(np.uint8)
