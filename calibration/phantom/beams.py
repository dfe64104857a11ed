"""The lines a probe sends: where their samples lie, and the way from them to the picture's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.scanner import Settings

SAMPLES = 400  # along a line
LINES = 192


@dataclass(frozen=True)
class Beams:
    """Samples of a sector.

    Attributes:
        x_mm: (R,L), to the right of the probe's middle.
        y_mm: (R,L), below the probe's middle.
        step_mm: along a line.
        top_mm: how far the probe's ends lie above its middle.
    """

    x_mm: NDArray[np.float32]
    y_mm: NDArray[np.float32]
    step_mm: float
    top_mm: float

    @property
    def half_width_mm(self) -> float:
        """Of the sector."""
        return float(self.x_mm.max())


@dataclass(frozen=True)
class Scan:
    """Where a picture's pixels lie among the samples.

    Attributes:
        pixels: (P,) those inside the sector, as indices into the flat picture.
        corners: (4,P) indices into the flat samples.
        weights: (4,P) of these.
        shape: height and width of the picture.
        mm_per_px: its scale.
    """

    pixels: NDArray[np.int64]
    corners: NDArray[np.int32]
    weights: NDArray[np.float32]
    shape: tuple[int, int]
    mm_per_px: float


def beams_from_settings(settings: Settings) -> Beams:
    """The samples of a sector; a straight probe is one of great radius."""
    depth = np.linspace(0, settings.depth_mm, SAMPLES)[:, None]
    angle = np.linspace(-settings.half_angle, settings.half_angle, LINES)[None]
    radius = settings.radius_mm + depth
    x, y = radius * np.sin(angle), radius * np.cos(angle) - settings.radius_mm
    return Beams(
        x.astype(np.float32), y.astype(np.float32), settings.depth_mm / (SAMPLES - 1), max(0.0, float(-y.min()))
    )


def scan_from_settings(settings: Settings, beams: Beams, height: int, width: int) -> Scan:
    """Fit the sector into a picture.

    Args:
        settings: the sector.
        beams: its samples.
        height: of the picture, px.
        width: of the picture, px.
    """
    tall, wide = settings.depth_mm + beams.top_mm, 2 * beams.half_width_mm
    scale = max(tall / height, wide / width)
    xs = (np.arange(width) + 0.5 - width / 2) * scale
    ys = (np.arange(height) + 0.5) * scale - beams.top_mm - (height * scale - tall) / 2
    x, y = np.meshgrid(xs, ys + settings.radius_mm)
    row = (np.hypot(x, y) - settings.radius_mm) / settings.depth_mm * (SAMPLES - 1)
    column = (np.arctan2(x, y) / settings.half_angle + 1) / 2 * (LINES - 1)
    inside = np.flatnonzero((row >= 0) & (row < SAMPLES - 1) & (column >= 0) & (column < LINES - 1))
    row, column = row.ravel()[inside], column.ravel()[inside]
    i, j = row.astype(np.int32), column.astype(np.int32)
    v, u = (row - i).astype(np.float32), (column - j).astype(np.float32)
    first = i * LINES + j
    return Scan(
        inside,
        np.stack([first, first + 1, first + LINES, first + LINES + 1]),
        np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u]),
        (height, width),
        scale,
    )


def picture_from_lines(lines: NDArray[np.float32], scan: Scan) -> NDArray[np.uint8]:
    """Convert samples to a picture.

    Args:
        lines: (R,L), 0..1.
        scan: where the pixels lie.

    Returns:
        (H,W), black outside of the sector.
    """
    flat = (lines * np.float32(255)).ravel()
    value = flat[scan.corners[0]] * scan.weights[0]
    for corner, weight in zip(scan.corners[1:], scan.weights[1:], strict=True):
        value += flat[corner] * weight
    picture = np.zeros(scan.shape[0] * scan.shape[1], np.uint8)
    picture[scan.pixels] = value
    return picture.reshape(scan.shape)
