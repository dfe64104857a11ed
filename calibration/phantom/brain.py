"""Axial planes of the head; forehead to the left. The three share skull, falx and Sylvian fissures."""

from __future__ import annotations

from calibration.phantom.shapes import Shape, blob, ellipse, mirrored, shell, stroke
from calibration.phantom.view import View

TURN_DEG = 35.0

HEAD = (
    ellipse("scalp", "skin", 0, 0, 37.5, 30, size=0.05, shift=0),
    *shell("skull", "skull", "brain", 0, 0, 35, 27.5, 1.9, size=0.05, shift=0),
)
SYLVIAN = stroke("sylvian", "sulcus", [(-12, 21), (-5, 18.5), (3, 19.5), (9, 22)], 1.6)
FALX = stroke("falx", "line", [(-33, 0), (0, 0), (33, 0)], 0.9, size=0.02, shift=0.3)
AROUND = (*HEAD, SYLVIAN, *mirrored([SYLVIAN]), FALX)

CAVUM = (
    blob("cavum", "line", [(-19, -2.6), (-11, -3.3), (-11, 3.3), (-19, 2.6)]),
    blob("cavum", "fluid", [(-18, -1.6), (-12, -2.2), (-12, 2.2), (-18, 1.6)]),
)


def _thalami(x: float) -> tuple[Shape, ...]:
    half = shell("thalamus", "sulcus", "thalamus", x, 5.4, 9.4, 6.0, 1.0, 14)
    return (*half, *mirrored(half), stroke("third", "line", [(x - 6, 0), (x + 6, 0)], 1.5),
            stroke("third", "fluid", [(x - 5, 0), (x + 5, 0)], 0.7))  # fmt: skip


HIPPOCAMPUS = stroke("hippocampus", "sulcus", [(9, 12.5), (13.5, 10.5), (15, 6.5), (12.5, 3.5)], 1.5)

HORN = (
    blob("horn", "line", [(-1, 8.5), (8, 6.3), (18, 6.6), (26, 10), (24, 14.5), (14, 14.8), (4, 13)]),
    blob("horn", "fluid", [(0.5, 9.2), (8, 7.4), (17.5, 7.7), (24.6, 10.5), (23, 13.5), (14, 13.7), (5, 12)]),
    ellipse("choroid", "choroid", 8, 10.4, 7.6, 2.7, 6),
)
FRONTAL_HORN = stroke("frontal horn", "fluid", [(-22, 8), (-17, 5.6), (-11, 5)], 1.6, 2.6)

CEREBELLUM = (
    ellipse("cisterna", "fluid", 27, 0, 6, 10.5),
    ellipse("cerebellum rim", "choroid", 19.5, 6.6, 6.5, 7.2, -12),
    ellipse("cerebellum rim", "choroid", 19.5, -6.6, 6.5, 7.2, 12),
    ellipse("cerebellum rim", "cerebellum", 19.5, 6.8, 5.4, 6.2, -12),
    ellipse("cerebellum rim", "cerebellum", 19.5, -6.8, 5.4, 6.2, 12),
    ellipse("vermis", "vermis", 19, 0, 4.5, 2.6),
)
NUCHAL = stroke("nuchal", "skin", [(33, -16), (38, 0), (33, 16)], 3.5)
PEDUNCLES = ellipse("peduncles", "thalamus", 7, 0, 5.5, 6.5)

VIEWS = (
    View("TTV", AROUND, (*_thalami(3), *CAVUM, HIPPOCAMPUS, *mirrored([HIPPOCAMPUS])), 71, TURN_DEG),
    View("TV", AROUND, (*HORN, *mirrored(HORN), FRONTAL_HORN, *mirrored([FRONTAL_HORN]), *CAVUM), 71, TURN_DEG),
    View("TCV", AROUND, (NUCHAL, *_thalami(-1), PEDUNCLES, *CEREBELLUM, *CAVUM), 71, TURN_DEG),
)
