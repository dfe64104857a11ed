"""The spine in sagittal planes; cranial to the left, the back up."""

from __future__ import annotations

from calibration.phantom.shapes import Points, Shape, blob, ellipse, row, shell, stroke
from calibration.phantom.view import View

TURN_DEG = 30.0
CANAL_MM = 6.4  # from arches to bodies


def _column(name: str, points: Points, count: int, end: float) -> tuple[Shape, ...]:
    """Arches, canal with its cord, and bodies along a curve; `end` is what is left of their distance at its end."""
    shares = [1 - (1 - end) * max(0, 2 * index / (len(points) - 1) - 1) ** 1.5 for index in range(len(points))]
    arches, bodies = (
        [(x, y + side * share * CANAL_MM / 2) for (x, y), share in zip(points, shares, strict=True)] for side in (-1, 1)
    )
    return (
        stroke(name, "cartilage", points, CANAL_MM + 4, (CANAL_MM + 4) * max(end, 0.35)),
        stroke(name, "cord", points, CANAL_MM - 2, (CANAL_MM - 2) * end),
        stroke(name, "sulcus", points[: len(points) - 1], 0.7),
        *row(name, "vertebra", arches, count, 1.35, 0.95, max(end, 0.6)),
        *row(name, "vertebra", bodies, count, 1.45, 1.45, max(end, 0.6)),
    )


_NECK = [(-36.0, 0.0), (-28.0, 3.0), (-20.0, 3.8), (-8.0, 0.5), (8.0, -3.6), (26.0, -5.0), (46.0, -3.4), (62.0, 0.0)]
_LOIN = [
    (-62.0, -3.0),
    (-46.0, -3.6),
    (-30.0, -1.6),
    (-14.0, 2.2),
    (2.0, 4.0),
    (14.0, 2.0),
    (24.0, -3.5),
    (31.0, -11.0),
]

_CHEST = (
    blob("back", "muscle", [(-70, 8), (-40, -6), (-24, -4.5), (-8, -8), (10, -12.5), (30, -14), (70, -11), (70, 46),
                          (20, 46), (-8, 40), (-22, 22), (-32, 24), (-70, 40)], size=0.04, shift=0),
    blob("inner chest", "lung", [(-10, 10), (10, 4), (36, 3), (42, 20), (36, 40), (14, 40), (-4, 32)]),
    blob("inner liver", "liver", [(46, 4), (70, 4), (70, 42), (42, 42), (46, 22)]),
)  # fmt: skip
_HEART = (ellipse("side heart", "heart", 16, 27, 11, 8, 20), ellipse("side heart", "blood", 14, 27, 6, 3.4, 20))
_OCCIPUT = shell("occiput", "skull", "brain", -58, 13, 27, 22, 1.9, 10)

_LOINS = (
    blob("rump", "muscle", [(-70, -13), (-30, -12), (-8, -9), (10, -10), (26, -19), (38, -20), (45, -8), (44, 14),
                          (34, 34), (10, 44), (-70, 44)], size=0.04, shift=0),
    blob("belly", "bowel", [(-70, 6), (-20, 10), (10, 14), (22, 26), (8, 38), (-70, 38)]),
)  # fmt: skip
_FLANK = (
    ellipse("side kidney", "kidney", -30, 13.5, 11, 5.5, 6),
    ellipse("side kidney", "pelvis", -30, 13.5, 4, 1.2, 6),
    ellipse("side bladder", "fluid", 14, 29, 6, 4.5),
    stroke("iliac wing", "bone", [(9, 14), (16, 11.5), (22, 6.5)], 1.8),
)

VIEWS = (
    View("CTSP", _CHEST, (*_OCCIPUT, *_HEART, *_column("upper spine", _NECK, 22, 1.0)), 88, TURN_DEG),
    View("LSSP", _LOINS, (*_FLANK, *_column("lower spine", _LOIN, 20, 0.15)), 88, TURN_DEG),
)
