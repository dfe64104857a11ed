"""A plane and a patient -> one frame, as a scanner would show it.

::

    View -> outlines -> pose -> map of tissues -> lines -> picture -> frame with margins (H,W) uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.beams import Beams, Scan, beams_from_settings, picture_from_lines, scan_from_settings
from calibration.phantom.echo import Scatterers, gray_from_tissue, scatterers_at, scatterers_from_generator
from calibration.phantom.marking import margins_from_settings, picture_size, top_px
from calibration.phantom.patient import Patient
from calibration.phantom.planes import (
    ELSEWHERE,
    NOT_STANDARD,
    VIEWS,
    neighbours_from_plane,
    plane_names,
    view_from_plane,
)
from calibration.phantom.pose import Pose, plane_points, pose_from_generator
from calibration.phantom.scanner import SCANNERS, Scanner, Settings, settings_from_generator
from calibration.phantom.scene import (
    Mother,
    Polygon,
    mother_from_patient,
    outlines_from_shapes,
    polygons_behind,
    polygons_in_front,
    tissue_from_polygons,
)
from calibration.phantom.view import View

SIZE_PX = 512
LEFT = 0.22  # what is left of the landmarks' echoes in an oblique cut beside the plane
OBLIQUE = ((1.05, 1.35), (0.75, 0.95))  # stretch of such a cut along and across
KINDS = (0.4, 0.75)  # of frames that are no plane: up to here between two planes, up to here beside one, then elsewhere


@dataclass(frozen=True)
class Layer:
    """An anatomy that is blended into a frame.

    Attributes:
        share: of it; a frame's shares add up to 1.
        outlines: its shapes, mm at 22 weeks.
    """

    share: float
    outlines: Sequence[Polygon]


@dataclass(frozen=True)
class Screen:
    """What stays the same as long as no knob is turned.

    Attributes:
        settings: of the scanner.
        beams: the sector's samples.
        scan: the way to the pixels.
        margins: (H,W), what stands around the sector.
    """

    settings: Settings
    beams: Beams
    scan: Scan
    margins: NDArray[np.uint8]


def frame_from_phantom(
    plane: str,
    patient: Patient,
    number: int = 0,
    size_px: int = SIZE_PX,
    scatterers: Scatterers | None = None,
) -> NDArray[np.uint8]:
    """Scan a plane of a made-up patient.

    Args:
        plane: id of a plane, or "not_standard" for a frame that shows none.
        patient: decides anatomy and scanner.
        number: decides pose, gain and noise: another frame of the same plane.
        size_px: longest side of the frame.
        scatterers: of `scatterers_from_patient`, if it was called before.

    Returns:
        (H,W), gray, marked as synthetic in its margin.

    Raises:
        UsageError: there is no such plane.
    """
    rng = patient.generator(f"frame {plane}", number)
    view, layers = _standing(plane, patient) if plane != NOT_STANDARD else _between(patient, rng)
    mother = mother_from_patient(patient, rng)
    pose = pose_from_generator(view, patient, mother.near_mm, rng)
    if plane == NOT_STANDARD:
        pose = replace(pose, long=pose.long * rng.uniform(*OBLIQUE[0]), wide=pose.wide * rng.uniform(*OBLIQUE[1]))
    scanner = scanner_from_patient(patient)
    height, width = frame_size(scanner, size_px)
    screen = screen_from_settings(settings_from_generator(scanner, pose.depth_mm, rng), height, width)
    return frame_from_layers(layers, view, mother, pose, scatterers or scatterers_from_patient(patient), screen, rng)


def scanner_from_patient(patient: Patient) -> Scanner:
    """The scanner that a patient is examined with."""
    return SCANNERS[int(patient.value("scanner", 0, len(SCANNERS) * 0.999999))]


def scatterers_from_patient(patient: Patient) -> Scatterers:
    """The scatterers of a patient's tissue."""
    return scatterers_from_generator(patient.generator("scatterers"))


def frame_size(scanner: Scanner, size_px: int) -> tuple[int, int]:
    """Height and width of a scanner's frames, px, by their longest side."""
    return round(size_px / scanner.aspect), size_px


def screen_from_settings(settings: Settings, height: int, width: int) -> Screen:
    """Lay out a frame.

    Args:
        settings: of the scanner.
        height: of the frame, px.
        width: of the frame, px.
    """
    beams = beams_from_settings(settings)
    scan = scan_from_settings(settings, beams, *picture_size(settings.scanner, height, width))
    return Screen(settings, beams, scan, margins_from_settings(settings, scan.mm_per_px, height, width))


def frame_from_layers(
    layers: Sequence[Layer],
    view: View,
    mother: Mother,
    pose: Pose,
    scatterers: Scatterers,
    screen: Screen,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Scan anatomies that lie over one another.

    Args:
        layers: the anatomies.
        view: decides what is around them.
        mother: the surroundings.
        pose: of the plane.
        scatterers: of the tissue.
        screen: the scanner's.
        rng: for the noise.

    Returns:
        (H,W).
    """
    behind, front = polygons_behind(mother, view, pose), polygons_in_front(mother, view, pose)
    beams = screen.beams
    tissues = [(one.share, tissue_from_polygons(behind, one.outlines, front, pose, beams)) for one in layers]
    seen = scatterers_at(scatterers, plane_points(beams.x_mm, beams.y_mm, pose))
    picture = picture_from_lines(gray_from_tissue(tissues, seen, screen.settings, rng), screen.scan)
    frame: NDArray[np.uint8] = screen.margins.copy()
    top, left = top_px(screen.settings.scanner, len(frame)), (frame.shape[1] - picture.shape[1]) // 2
    region = frame[top : top + picture.shape[0], left : left + picture.shape[1]]
    np.maximum(region, picture, out=region)
    return frame


def outlines_with_landmarks(view: View, patient: Patient) -> list[Polygon]:
    """A plane as it should be."""
    return outlines_from_shapes((*view.around, *view.landmarks), patient)


def outlines_without_landmarks(view: View, patient: Patient) -> list[Polygon]:
    """What a cut beside the plane shows."""
    return outlines_from_shapes(view.around, patient)


def _standing(plane: str, patient: Patient) -> tuple[View, list[Layer]]:
    view = view_from_plane(plane)
    return view, [Layer(1.0, outlines_with_landmarks(view, patient))]


def _between(patient: Patient, rng: np.random.Generator) -> tuple[View, list[Layer]]:
    """A frame that is no plane: between two, beside one, or elsewhere."""
    kind, plane = rng.random(), str(rng.choice(plane_names()))
    view, others = VIEWS[plane], neighbours_from_plane(plane)
    if kind < KINDS[0] and others:
        other, share = VIEWS[str(rng.choice(others))], float(rng.uniform(0.4, 0.6))
        return view, [
            Layer(share, outlines_with_landmarks(view, patient)),
            Layer(1 - share, outlines_with_landmarks(other, patient)),
        ]
    if kind < KINDS[1]:
        share = float(rng.uniform(0, LEFT))
        bare = Layer(1 - share, outlines_without_landmarks(view, patient))
        return view, [bare, Layer(share, outlines_with_landmarks(view, patient))]
    view = ELSEWHERE[int(rng.integers(len(ELSEWHERE)))]
    return view, [Layer(1.0, outlines_with_landmarks(view, patient))]
