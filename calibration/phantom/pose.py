"""How a probe is held: turn, mirror, place, scale and depth; two of them can be glided between."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.patient import Patient
from calibration.phantom.view import View

SHARE = (0.78, 1.12)  # of the picture's depth below the mother's layers that the plane's extent takes
BEND = 0.022  # amplitude of the smooth distortion as a share of the extent


@dataclass(frozen=True)
class Pose:
    """Plane -> picture.

    Attributes:
        turn: radians.
        side: 1, or -1 for the mirror image.
        x_mm: of the plane's origin, right of the probe's middle.
        y_mm: of the plane's origin, below the probe's middle.
        long: stretch along x of the plane: an oblique cut is longer.
        wide: stretch along y of the plane.
        depth_mm: of the picture.
        bend_mm: amplitude of the smooth distortion.
        phase: of the distortion, radians.
    """

    turn: float
    side: float
    x_mm: float
    y_mm: float
    long: float
    wide: float
    depth_mm: float
    bend_mm: float
    phase: float


def pose_from_generator(view: View, patient: Patient, near_mm: float, rng: np.random.Generator) -> Pose:
    """Draw a pose that shows the whole plane.

    Args:
        view: the plane.
        patient: whose size counts.
        near_mm: thickness of the mother's layers in front.
        rng: source of randomness.
    """
    growth = patient.growth if view.in_uterus else 1.0
    extent = view.extent_mm * growth
    room = extent / rng.uniform(*SHARE)
    return Pose(
        turn=math.radians(rng.uniform(-view.turn_deg, view.turn_deg)),
        side=-1.0 if view.may_mirror and rng.random() < 0.5 else 1.0,
        x_mm=rng.uniform(-0.09, 0.09) * room,
        y_mm=near_mm + room * rng.uniform(0.45, 0.58),
        long=growth * rng.uniform(0.94, 1.06),
        wide=growth * rng.uniform(0.94, 1.06),
        depth_mm=near_mm + room,
        bend_mm=BEND * extent * rng.uniform(0.2, 1.0),
        phase=rng.uniform(0, 2 * math.pi),
    )


def pose_between(start: Pose, end: Pose, share: float) -> Pose:
    """A pose on the way; the turn goes the shorter way round."""
    values = {f.name: getattr(start, f.name) * (1 - share) + getattr(end, f.name) * share for f in fields(Pose)}
    for name in ("turn", "phase"):
        way = math.remainder(getattr(end, name) - getattr(start, name), 2 * math.pi)
        values[name] = getattr(start, name) + share * way
    return Pose(**values)


def placed_points(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Points of a plane in the picture.

    Args:
        points: (N,2), mm at 22 weeks.
        pose: where the plane lies.

    Returns:
        (N,2), mm right of and below the probe's middle.
    """
    scaled = points * np.array([pose.long * pose.side, pose.wide])
    cos, sin = math.cos(pose.turn), math.sin(pose.turn)
    turned = scaled @ np.array([[cos, sin], [-sin, cos]]) + np.array([pose.x_mm, pose.y_mm])
    wave = turned / max(pose.depth_mm, 1.0) * 7.0
    sway = np.stack([np.sin(wave[:, 1] + pose.phase), np.sin(wave[:, 0] + 1.7 * pose.phase)], 1)
    return np.asarray(turned + pose.bend_mm * sway)


def plane_points(x_mm: NDArray[np.float32], y_mm: NDArray[np.float32], pose: Pose) -> NDArray[np.float32]:
    """The way back, without the distortion: where places of the picture lie in the plane, (2, ...), mm at 22 weeks."""
    cos, sin = math.cos(pose.turn), math.sin(pose.turn)
    x, y = x_mm - np.float32(pose.x_mm), y_mm - np.float32(pose.y_mm)
    u, v = x * np.float32(cos) + y * np.float32(sin), y * np.float32(cos) - x * np.float32(sin)
    return np.stack([u / np.float32(pose.long * (pose.side or 1.0)), v / np.float32(pose.wide)])
