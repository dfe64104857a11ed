"""The face: both orbits in an axial plane (face up), and the profile in the median plane (face up, forehead left)."""

from __future__ import annotations

from calibration.phantom.shapes import blob, mirrored, placed, row, shell, stroke
from calibration.phantom.view import View

TURN_DEG = 45.0

# Axial; drawn with the face to the left, so that the second of a pair is the mirror image, then turned up.
_SKULL_BASE = (
    blob("face", "skin", [(-27, 0), (-24, 12), (-14, 24), (4, 28), (24, 24), (33, 0), (24, -24), (4, -28), (-14, -24),
                          (-24, -12)], size=0.05, shift=0),
    blob("base", "skull", [(-14, 21), (4, 25), (22, 21.5), (30, 0), (22, -21.5), (4, -25), (-14, -21)]),
    blob("base", "brain", [(-9, 18), (5, 22.8), (20, 19.6), (27.8, 0), (20, -19.6), (5, -22.8), (-9, -18)]),
)  # fmt: skip
_PETROUS = stroke("petrous", "skull", [(8, 5), (14, 12), (17, 19)], 2.2)
_ORBIT = (
    *shell("orbit", "line", "fluid", -15.5, 11, 7.3, 6.9, 1.0),
    *shell("lens", "line", "pelvis", -20.4, 11.3, 2.0, 2.6, 0.7),
    stroke("orbital wall", "skull", [(-17, 19.5), (-9, 18), (-5, 12)], 1.6),
)
_NOSE = (
    blob("nose", "skin", [(-24, -5), (-33, -2.5), (-33, 2.5), (-24, 5)]),
    *row("nasal bones", "skull", [(-25, -2), (-25, 2)], 2, 1.1, 1.1),
    stroke("ethmoid", "bowel", [(-23, 0), (-5, 0)], 3.4, 6),
)

# Median.
_HEAD = (
    blob("profile head", "muscle", [(-36, 8), (-26, -13), (-6, -13.5), (8, -12.5), (22, -10), (31, -2), (42, -6),
                                  (58, -9), (58, 32), (10, 36), (-14, 37), (-30, 28)], size=0.05, shift=0),
    stroke("vault", "skull", [(-8, -10), (-15, -12), (-24, -9), (-31.5, 3), (-33, 16), (-25, 28), (-10, 33), (6, 29)],
           1.9, size=0.05, shift=0),
    blob("profile brain", "brain", [(-10, -8.5), (-20, -9.5), (-29, 4), (-31, 16), (-24, 26), (-10, 31), (4, 27),
         (2, 10)], size=0.05, shift=0),
)  # fmt: skip
_SPINE = (
    *row("neck bodies", "vertebra", [(16, 17), (30, 16), (52, 20)], 9, 1.5, 1.3),
    *row("neck arches", "vertebra", [(13, 25), (30, 23), (52, 27)], 9, 1.4, 1.1),
)
_CONTOUR = [
    (-31, -4),
    (-26, -14),
    (-17, -20.5),
    (-9, -18.6),
    (-3.6, -20.4),
    (3, -28.5),
    (8.2, -26.4),
    (8.6, -19.4),
    (12.6, -22.8),
    (15.2, -18.0),
    (18.2, -21.0),
    (20.8, -16.6),
    (26, -18.6),
    (30, -11),
    (26, 4),
    (0, 2),
    (-20, 2),
]
_PROFILE = (
    blob("profile", "skin", _CONTOUR),
    blob("profile", "muscle", [(x, y + 1.6) for x, y in _CONTOUR]),
    blob("mouth", "tongue", [(10, -12), (16, -14), (21, -9), (20, 6), (11, 7)]),
    stroke("frontal bone", "skull", [(-29, -1), (-23, -12), (-15, -16.5), (-8, -14.5)], 1.9),
    stroke("nasal bone", "thin bone", [(-5.6, -14.6), (1.0, -19.6)], 1.9),
    stroke("maxilla", "thin bone", [(6.2, -13.0), (10.6, -14.2)], 2.2),
    stroke("palate", "line", [(7.6, -12.5), (8.4, -2), (9.4, 7)], 1.7),
    stroke("mandible", "thin bone", [(21.6, -14.0), (24.2, -6.0)], 2.4),
    stroke("oral cavity", "fluid", [(10.4, -10), (11.4, 0), (15, 9)], 1.5),
    stroke("callosum", "line", [(-24, 12), (-24, 3), (-16, -2), (-7, 4), (-5, 12)], 1.3),
    stroke("callosum", "thalamus", [(-21.5, 12), (-21.5, 5), (-16, 1.4), (-9.5, 6), (-8, 12)], 2.0),
)

VIEWS = (
    View(
        "Eyes",
        placed((*_SKULL_BASE, _PETROUS, *mirrored([_PETROUS])), 0, 0, 90),
        placed((*_NOSE, *_ORBIT, *mirrored(_ORBIT)), 0, 0, 90),
        66,
        TURN_DEG,
    ),
    View("MFP", (*_HEAD, *_SPINE), _PROFILE, 70, TURN_DEG),
)
