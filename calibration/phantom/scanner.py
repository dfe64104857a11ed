"""Made-up scanners: what their probes and pictures look like. No maker's scanner is meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scanner:
    """Ranges of one scanner model's looks.

    Attributes:
        name: as in the column "machine".
        aspect: width over height of its frames.
        radius_mm: of the probe's curvature, lowest and highest.
        half_angle_deg: half of the sector's angle.
        range_db: dynamic range that black to white shows.
        gamma: of the gray curve.
        axial_mm: length of the pulse, standard deviation.
        lateral_lines: width of the beam at the focus, standard deviation, in lines of the sector.
        smoothing: share of the speckle reduction's result in the picture.
        header: share of the text's strip that lies above the picture: 1, or 0 where it is below.
    """

    name: str
    aspect: float
    radius_mm: tuple[float, float]
    half_angle_deg: tuple[float, float]
    range_db: tuple[float, float]
    gamma: tuple[float, float]
    axial_mm: float
    lateral_lines: float
    smoothing: float
    header: float


SCANNERS = (
    Scanner("Phantom scanner A", 4 / 3, (42, 55), (27, 32), (52, 62), (0.9, 1.1), 0.28, 0.7, 0.6, 1.0),
    Scanner("Phantom scanner B", 1.5, (55, 68), (22, 27), (56, 70), (0.8, 1.0), 0.34, 0.85, 0.8, 0.0),
    Scanner("Phantom scanner C", 1.18, (38, 48), (31, 36), (46, 56), (1.0, 1.25), 0.40, 0.95, 0.4, 1.0),
    Scanner("Phantom scanner D", 1.0, (900, 1200), (2.4, 3.0), (50, 60), (0.9, 1.15), 0.32, 0.8, 0.5, 1.0),
)


@dataclass(frozen=True)
class Settings:
    """One frame's settings of a scanner.

    Attributes:
        scanner: the model.
        radius_mm: curvature of the probe.
        half_angle: half of the sector's angle, radians.
        depth_mm: of the picture.
        gain_db: overall gain.
        tgc_db: (5,) error of the gain at five depths.
        range_db: dynamic range.
        gamma: of the gray curve.
        focus: depth of the focus as a share of the picture's.
        haze_db: level of the reverberation in front.
        noise_db: level of the electronic noise at the bottom.
    """

    scanner: Scanner
    radius_mm: float
    half_angle: float
    depth_mm: float
    gain_db: float
    tgc_db: tuple[float, ...]
    range_db: float
    gamma: float
    focus: float
    haze_db: float
    noise_db: float


def settings_from_generator(scanner: Scanner, depth_mm: float, rng: np.random.Generator) -> Settings:
    """Draw one frame's settings.

    Args:
        scanner: the model.
        depth_mm: of the picture.
        rng: source of randomness.
    """
    return Settings(
        scanner=scanner,
        radius_mm=float(rng.uniform(*scanner.radius_mm)) * (depth_mm / 110 if scanner.radius_mm[0] > 500 else 1.0),
        half_angle=float(np.radians(rng.uniform(*scanner.half_angle_deg))),
        depth_mm=depth_mm,
        gain_db=float(rng.uniform(-7, 7)),
        tgc_db=tuple(rng.uniform(-4, 4, 5).tolist()),
        range_db=float(rng.uniform(*scanner.range_db)),
        gamma=float(rng.uniform(*scanner.gamma)),
        focus=float(rng.uniform(0.3, 0.75)),
        haze_db=float(rng.uniform(-26, -10)),
        noise_db=float(rng.uniform(-52, -40)),
    )
