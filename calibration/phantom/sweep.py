"""A made-up examination: frames that glide from plane to plane, through views that are none.

::

    hold A | A loses its landmarks | bare A becomes bare B | B gains its landmarks | hold B | ...
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.frame import (
    Layer,
    frame_from_layers,
    outlines_with_landmarks,
    outlines_without_landmarks,
    scanner_from_patient,
    scatterers_from_patient,
    screen_from_settings,
)
from calibration.phantom.patient import Patient
from calibration.phantom.planes import NOT_STANDARD, view_from_plane
from calibration.phantom.pose import Pose, pose_between, pose_from_generator
from calibration.phantom.scanner import settings_from_generator
from calibration.phantom.scene import Mother, mother_from_patient
from calibration.phantom.view import View
from edge.errors import UsageError

HOLD_S = 1.5
GLIDE_S = 2.0
SHOWN = 0.95  # share of the landmarks from which on a frame counts as the plane
TREMOR = (0.03, 0.012)  # radians; share of the depth: a hand and a fetus that are held still
OBLIQUE = 0.18  # stretch of the cut half way


@dataclass(frozen=True)
class SweepFrame:
    """One frame of a sweep.

    Attributes:
        pixels: (H,W) uint8, marked as synthetic in its margin.
        label: id of the plane, or "not_standard".
        time_ms: since the sweep's first frame.
    """

    pixels: NDArray[np.uint8]
    label: str
    time_ms: float


@dataclass(frozen=True)
class _Stop:
    """A plane of the sweep with both of its anatomies and its pose."""

    view: View
    full: Layer
    bare: Layer
    pose: Pose


def sweep_from_patient(
    seed: int,
    planes: Sequence[str],
    fps: float = 20.0,
    hold_s: float = HOLD_S,
    glide_s: float = GLIDE_S,
    width: int = 640,
    height: int = 480,
) -> Iterator[SweepFrame]:
    """Examine a made-up patient; the same arguments give the same frames.

    Args:
        seed: decides patient, scanner and poses.
        planes: ids, in the order in which they are visited.
        fps: frames a second.
        hold_s: how long a plane is held.
        glide_s: how long the way to the next one takes.
        width: of the frames, px.
        height: of the frames, px.

    Yields:
        Frames; computed one at a time when they are asked for.

    Raises:
        UsageError: no plane, an unknown one, or a time or rate that is not positive.
    """
    if not planes or min(fps, hold_s, glide_s) <= 0:
        raise UsageError("A sweep of no plane, or of no time, was asked for.", "Give planes, and times above 0.")
    patient = Patient(seed, 0)
    rng = patient.generator("sweep")
    mother = replace(mother_from_patient(patient, rng), fluid=True)
    stops = _stops([view_from_plane(plane) for plane in planes], patient, mother, rng)
    settings = settings_from_generator(scanner_from_patient(patient), stops[0].pose.depth_mm, rng)
    screen = screen_from_settings(replace(settings, gain_db=settings.gain_db / 2), height, width)
    scatterers = scatterers_from_patient(patient)
    for number, (start, end, way) in enumerate(_timeline(stops, fps, hold_s, glide_s)):
        view, layers, label = _anatomy(start, end, way)
        pose = _trembling(_oblique(pose_between(start.pose, end.pose, _eased(way)), way), number / fps)
        pixels = frame_from_layers(layers, view, mother, pose, scatterers, screen, rng)
        yield SweepFrame(pixels, label, 1000 * number / fps)


def _stops(views: Sequence[View], patient: Patient, mother: Mother, rng: np.random.Generator) -> list[_Stop]:
    """The planes in one picture's depth: the probe comes nearer or goes back, nobody turns the depth knob."""
    poses = [pose_from_generator(view, patient, mother.near_mm, rng) for view in views]
    depth = float(np.mean([pose.depth_mm for pose in poses]))
    side = -1.0 if all(view.may_mirror for view in views) and rng.random() < 0.5 else 1.0
    stops = []
    for view, pose in zip(views, poses, strict=True):
        zoom = depth / pose.depth_mm
        fitted = replace(
            pose,
            side=side,
            x_mm=pose.x_mm * zoom,
            y_mm=pose.y_mm * zoom,
            long=pose.long * zoom,
            wide=pose.wide * zoom,
            depth_mm=depth,
        )
        full, bare = outlines_with_landmarks(view, patient), outlines_without_landmarks(view, patient)
        stops.append(_Stop(view, Layer(1.0, full), Layer(1.0, bare), fitted))
    return stops


def _timeline(
    stops: Sequence[_Stop], fps: float, hold_s: float, glide_s: float
) -> Iterator[tuple[_Stop, _Stop, float]]:
    """Where each frame is: from, to, share of the way; 0 while a plane is held."""
    held, glides = max(1, round(hold_s * fps)), max(1, round(glide_s * fps))
    for index, stop in enumerate(stops):
        yield from ((stop, stop, 0.0) for _ in range(held))
        if index + 1 < len(stops):
            yield from ((stop, stops[index + 1], (step + 1) / (glides + 1)) for step in range(glides))


def _anatomy(start: _Stop, end: _Stop, way: float) -> tuple[View, list[Layer], str]:
    third = 3 * way
    if way == 0.0:
        return start.view, [start.full], start.view.plane
    if third < 1:
        left, view, parts = 1 - _eased(third), start.view, (start.full, start.bare)
    elif third < 2:
        left, view, parts = 1 - _eased(third - 1), (start if third < 1.5 else end).view, (start.bare, end.bare)
    else:
        left, view, parts = 1 - _eased(third - 2), end.view, (end.bare, end.full)
    layers = [replace(part, share=share) for part, share in zip(parts, (left, 1 - left), strict=True) if share > 0]
    shown = left if third < 1 else 1 - left if third >= 2 else 0.0
    return view, layers, view.plane if shown >= SHOWN else NOT_STANDARD


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)


def _oblique(pose: Pose, way: float) -> Pose:
    stretch = 1 + OBLIQUE * math.sin(math.pi * way)
    return replace(pose, long=pose.long * stretch, wide=pose.wide / stretch)


def _trembling(pose: Pose, time_s: float) -> Pose:
    angle, share = TREMOR
    return replace(
        pose,
        turn=pose.turn + angle * math.sin(2.1 * time_s),
        x_mm=pose.x_mm + share * pose.depth_mm * math.sin(1.3 * time_s + 1),
        y_mm=pose.y_mm + share * pose.depth_mm * math.sin(1.7 * time_s + 2),
    )
