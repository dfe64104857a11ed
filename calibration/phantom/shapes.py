"""Schematic anatomy as data: shapes of tissue in a plane, and their outlines for one patient.

::

    x to the right, y down, millimetres at 22 weeks; later shapes lie over earlier ones
    Shape + Patient -> outline (P,2) in millimetres
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.patient import Patient

Points = Sequence[tuple[float, float]]

ELLIPSE_POINTS = 36
CURVE_POINTS = 7  # of a smooth curve between two given points
SIZE = 0.08  # share by which a shape's size differs between patients
SHIFT_MM = 0.6  # by which its place does


@dataclass(frozen=True)
class Shape:
    """A region of one tissue.

    Attributes:
        name: shapes of one name vary together, in every plane of a patient.
        tissue: key of the table of tissues.
        points: closed curve, or the middle line of a stroke, mm.
        widths: of a stroke at its start and end, mm; none for a closed curve.
        size: share by which its size varies between patients.
        shift: by which its place does, mm.
    """

    name: str
    tissue: str
    points: tuple[tuple[float, float], ...]
    widths: tuple[float, float] | None = None
    size: float = SIZE
    shift: float = SHIFT_MM


def ellipse(
    name: str,
    tissue: str,
    x: float,
    y: float,
    rx: float,
    ry: float,
    turn_deg: float = 0.0,
    size: float = SIZE,
    shift: float = SHIFT_MM,
) -> Shape:
    """An ellipse by its centre, half axes (mm) and turn."""
    a = np.linspace(0, 2 * math.pi, ELLIPSE_POINTS, endpoint=False)
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    u, v = rx * np.cos(a), ry * np.sin(a)
    outline = np.stack([x + u * cos - v * sin, y + u * sin + v * cos], 1)
    return Shape(name, tissue, tuple(map(tuple, outline.tolist())), None, size, shift)


def blob(name: str, tissue: str, points: Points, size: float = SIZE, shift: float = SHIFT_MM) -> Shape:
    """A closed smooth curve through points, mm."""
    return Shape(name, tissue, tuple(map(tuple, _smooth(np.array(points), closed=True).tolist())), None, size, shift)


def stroke(
    name: str,
    tissue: str,
    points: Points,
    width: float,
    end: float | None = None,
    size: float = SIZE,
    shift: float = SHIFT_MM,
) -> Shape:
    """A smooth open curve through points with a width, which may change towards its end, mm."""
    curve = _smooth(np.array(points), closed=False)
    return Shape(name, tissue, tuple(map(tuple, curve.tolist())), (width, width if end is None else end), size, shift)


def shell(
    name: str,
    wall: str,
    inside: str,
    x: float,
    y: float,
    rx: float,
    ry: float,
    thick: float,
    turn_deg: float = 0.0,
    size: float = SIZE,
    shift: float = SHIFT_MM,
) -> tuple[Shape, Shape]:
    """An ellipse with a wall, mm."""
    return (
        ellipse(name, wall, x, y, rx, ry, turn_deg, size, shift),
        ellipse(name, inside, x, y, rx - thick, ry - thick, turn_deg, size, shift),
    )


def tube(name: str, wall: str, inside: str, points: Points, width: float, thick: float = 0.8) -> tuple[Shape, Shape]:
    """A vessel: two strokes, mm."""
    return stroke(name, wall, points, width + 2 * thick), stroke(name, inside, points, width)


def row(
    name: str, tissue: str, points: Points, count: int, rx: float, ry: float, end: float = 1.0
) -> tuple[Shape, ...]:
    """Equal pieces along a curve, such as vertebrae, mm.

    Args:
        name: of all of them.
        tissue: their tissue.
        points: the curve.
        count: how many.
        rx: half length along the curve.
        ry: half length across.
        end: size of the last piece over that of the first.
    """
    curve = _smooth(np.array(points), closed=False)
    at = np.linspace(0, len(curve) - 1, count)
    xs, ys = (np.interp(at, np.arange(len(curve)), curve[:, axis]) for axis in (0, 1))
    turns = np.degrees(np.arctan2(np.gradient(ys), np.gradient(xs)))
    sizes = np.linspace(1, end, count)
    pieces = zip(xs.tolist(), ys.tolist(), turns.tolist(), sizes.tolist(), strict=True)
    return tuple(ellipse(name, tissue, x, y, rx * s, ry * s, turn) for x, y, turn, s in pieces)


def placed(shapes: Sequence[Shape], x: float, y: float, turn_deg: float = 0.0) -> tuple[Shape, ...]:
    """Shapes drawn about an origin of their own, turned and moved to their place, mm."""
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return tuple(
        Shape(
            s.name,
            s.tissue,
            tuple((x + u * cos - v * sin, y + u * sin + v * cos) for u, v in s.points),
            s.widths,
            s.size,
            s.shift,
        )
        for s in shapes
    )


def mirrored(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Shapes on the other side of the line y = 0: the second of a pair."""
    return tuple(
        Shape(s.name, s.tissue, tuple((u, -v) for u, v in s.points), s.widths, s.size, s.shift) for s in shapes
    )


def outline_from_shape(shape: Shape, patient: Patient) -> NDArray[np.float64]:
    """The shape as this patient has it.

    Returns:
        (P,2), a closed polygon, mm at 22 weeks.
    """
    points = np.array(shape.points)
    drawn = patient.generator(f"shape {shape.name}").uniform(-1, 1, 4)
    factors = 1 + shape.size * (0.8 * drawn[0] + 0.2 * drawn[1] * np.array([1, -1]))
    middle = points.mean(0)
    moved = (points - middle) * factors + middle + shape.shift * drawn[2:]
    return moved if shape.widths is None else _widened(moved, shape.widths)


def _smooth(points: NDArray[np.float64], closed: bool) -> NDArray[np.float64]:
    """A Catmull-Rom spline."""
    count = len(points)
    if count < 3:
        return np.linspace(points[0], points[-1], CURVE_POINTS + 1)
    index = np.arange(count if closed else count - 1)
    around = [(index + step) % count if closed else np.clip(index + step, 0, count - 1) for step in (-1, 0, 1, 2)]
    p0, p1, p2, p3 = (points[i][:, None] for i in around)
    t = np.linspace(0, 1, CURVE_POINTS, endpoint=False)[None, :, None]
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    flat = curve.reshape(-1, 2)
    return np.asarray(flat if closed else np.concatenate([flat, points[-1:]]))


def _widened(line: NDArray[np.float64], widths: tuple[float, float]) -> NDArray[np.float64]:
    """A line -> the polygon around it, with rounded ends."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    half = np.linspace(*widths, len(line))[:, None] / 2
    across = np.stack([-along[:, 1], along[:, 0]], 1) * half
    start = line[:1] - along[:1] * half[0] * 0.7
    stop = line[-1:] + along[-1:] * half[-1] * 0.7
    return np.concatenate([start, line + across, stop, (line - across)[::-1]])
