"""Everything in front of the probe as one map of tissues: the mother's layers, fluid or placenta, and the plane.

::

    fluid, wall, other parts -> the plane's shapes (placed by the pose) -> the mother's layers in front -> tissues
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.beams import Beams
from calibration.phantom.patient import Patient
from calibration.phantom.pose import Pose, placed_points
from calibration.phantom.shapes import Shape, ellipse, outline_from_shape
from calibration.phantom.tissue import TISSUES
from calibration.phantom.view import View

NUMBERS = {name: number for number, name in enumerate(TISSUES)}
CELLS = 640  # of the map along its longer side

Polygon = tuple[int, NDArray[np.float64]]  # tissue number, (P,2) mm


@dataclass(frozen=True)
class Mother:
    """What surrounds every plane of one frame or sweep.

    Attributes:
        near_mm: thickness of the layers in front.
        layers: share of it where each of four layers ends.
        fluid: whether there is amniotic fluid behind them; else placenta or the wall touches.
        placenta: "front", "back" or "none".
        wave: phases of the layers' surfaces, radians.
        others: shapes of other parts of the fetus, mm from the picture's middle.
    """

    near_mm: float
    layers: tuple[float, ...]
    fluid: bool
    placenta: str
    wave: tuple[float, ...]
    others: tuple[Shape, ...]


def mother_from_patient(patient: Patient, rng: np.random.Generator) -> Mother:
    """The surroundings of a frame: some numbers are the patient's, some the frame's."""
    others = []
    for _ in range(int(rng.integers(0, 4))):
        angle, far, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.42, 0.6), rng.uniform(0.05, 0.13)
        x, y = float(np.cos(angle) * far * 1.1), float(np.sin(angle) * far)
        others.append(ellipse("other", "skin", x, y, size, size * 0.8))
        others.append(ellipse("other", "muscle", x, y, size * 0.8, size * 0.6))
        if rng.random() < 0.6:
            others.append(ellipse("other", "rib", x, y, size * 0.25, size * 0.12, float(rng.uniform(0, 180))))
    return Mother(
        near_mm=patient.value("near", 7, 17) * float(rng.uniform(0.8, 1.2)),
        layers=tuple(np.cumsum([patient.value(f"layer {i}", 0.15, 0.35) for i in range(3)]).tolist()),
        fluid=bool(rng.random() < 0.93),
        placenta=("front", "back", "none")[int(patient.value("placenta", 0, 3) * 0.999)],
        wave=tuple(rng.uniform(0, 2 * np.pi, 6).tolist()),
        others=tuple(others),
    )


def polygons_behind(mother: Mother, view: View, pose: Pose) -> list[Polygon]:
    """What lies around and behind the plane: fluid, placenta, wall, other parts of the fetus."""
    depth, near = pose.depth_mm, mother.near_mm
    filling = "muscle" if not view.in_uterus else "fluid" if mother.fluid or view.needs_fluid else "placenta"
    found = [(NUMBERS[filling], np.array([[-3.0, -1], [3, -1], [3, 2], [-3, 2]]) * depth)]
    if not view.in_uterus:
        return found
    if mother.placenta == "back":
        found.append((NUMBERS["placenta"], _below(0.86 * depth, mother.wave[5], 0.04 * depth, depth)))
    found.append((NUMBERS["uterus"], _below(0.95 * depth, mother.wave[4], 0.03 * depth, depth)))
    middle = np.array([0.0, near + 0.5 * (depth - near)])
    return found + [(NUMBERS[s.tissue], np.array(s.points) * depth + middle) for s in mother.others]


def polygons_in_front(mother: Mother, view: View, pose: Pose) -> list[Polygon]:
    """The mother's layers between probe and fetus; they end what reaches into them."""
    depth, near = pose.depth_mm, mother.near_mm
    found = []
    if view.in_uterus and mother.placenta == "front":
        found.append((NUMBERS["placenta"], _above(1.3 * near, mother.wave[5], 0.02 * depth, depth)))
    ends = [share * near for share in (*mother.layers, 1.0)]
    for tissue, end, phase in zip(("uterus", "muscle", "fat", "skin"), ends[::-1], mother.wave, strict=False):
        found.append((NUMBERS[tissue], _above(end, phase, near * 0.05, depth)))
    return found


def _above(y: float, phase: float, swing: float, depth: float) -> NDArray[np.float64]:
    x = np.linspace(-1.5 * depth, 1.5 * depth, 31)
    line = np.stack([x, y + swing * np.sin(5 * x / depth + phase)], 1)
    return np.concatenate([[[-1.5 * depth, -depth], [1.5 * depth, -depth]], line[::-1]])


def _below(y: float, phase: float, swing: float, depth: float) -> NDArray[np.float64]:
    x = np.linspace(-1.5 * depth, 1.5 * depth, 31)
    line = np.stack([x, y + swing * np.sin(4 * x / depth + phase)], 1)
    return np.concatenate([[[-1.5 * depth, 3 * depth], [1.5 * depth, 3 * depth]], line[::-1]])


def outlines_from_shapes(shapes: Sequence[Shape], patient: Patient) -> list[Polygon]:
    """Shapes as a patient has them: tissue numbers and outlines, mm at 22 weeks."""
    return [(NUMBERS[shape.tissue], outline_from_shape(shape, patient)) for shape in shapes]


def tissue_from_polygons(
    behind: Sequence[Polygon], plane: Sequence[Polygon], front: Sequence[Polygon], pose: Pose, beams: Beams
) -> NDArray[np.uint8]:
    """Tissue numbers at a sector's samples.

    Args:
        behind: what the plane lies over, mm of the picture.
        plane: the plane's outlines, mm at 22 weeks.
        front: what lies over the plane, mm of the picture.
        pose: where the plane lies.
        beams: the samples.

    Returns:
        (R,L).
    """
    from PIL import Image, ImageDraw

    left, top = -beams.half_width_mm, -beams.top_mm
    cell = max(2 * beams.half_width_mm, float(beams.y_mm.max()) + beams.top_mm) / CELLS
    width, height = (int(side / cell) + 2 for side in (2 * beams.half_width_mm, float(beams.y_mm.max()) + beams.top_mm))
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    placed = placed_points(np.concatenate([points for _, points in plane]), pose) if plane else np.zeros((0, 2))
    parts = np.split(placed, np.cumsum([len(points) for _, points in plane])[:-1]) if plane else []
    numbered = [*behind, *((number, part) for (number, _), part in zip(plane, parts, strict=True)), *front]
    for number, points in numbered:
        draw.polygon(((points - (left, top)) / cell).ravel().tolist(), fill=number)
    column = ((beams.x_mm - left) / cell).astype(np.int32)
    row = ((beams.y_mm - top) / cell).astype(np.int32)
    return np.asarray(image)[row, column]
