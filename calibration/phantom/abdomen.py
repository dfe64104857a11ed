"""The belly: axial planes with the spine below and the fetus' left to the right; the diaphragm in a coronal one."""

from __future__ import annotations

from calibration.phantom.heart import ribs, vertebra
from calibration.phantom.shapes import blob, ellipse, mirrored, placed, row, shell, stroke, tube
from calibration.phantom.view import View

LONG_TURN_DEG = 50.0

_WALL = (
    ellipse("belly wall", "skin", 0, 0, 28.5, 27, size=0.05, shift=0),
    ellipse("belly wall", "muscle", 0, 0, 26.8, 25.3, size=0.05, shift=0),
)
_VESSELS = (
    *vertebra(16.5),
    *shell("aorta low", "valve", "blood", 3.2, 12.2, 2.2, 2.2, 0.5),
    *shell("cava low", "sulcus", "blood", -4.0, 11.0, 2.4, 2.0, 0.4),
)
_BOWEL = (
    ellipse("bowel wall", "bowel", 0, -1, 24.5, 22.5, size=0.05, shift=0),
    ellipse("loop 1", "muscle", -9, -7, 4.5, 3.2, 30, shift=2.5),
    ellipse("loop 2", "muscle", 7, -10, 5, 2.8, -20, shift=2.5),
    ellipse("loop 3", "choroid", 1, -2, 4, 2.6, 50, shift=2.5),
    ellipse("loop 4", "choroid", 12, -1, 3.6, 2.5, 10, shift=2.5),
    ellipse("loop 5", "muscle", -14, 2, 3.4, 2.6, 70, shift=2.5),
)
_UPPER = (
    *_WALL,
    ellipse("upper belly", "liver", 0, -0.5, 24.5, 23, size=0.05, shift=0),
    *ribs(25.3, 23.8),
    *_VESSELS,
)
_LIVER_MARKS = (
    ellipse("spleen", "bowel", 17.5, 9, 6.5, 4.2, -55),
    *tube("umbilical vein", "line", "blood", [(-0.5, -15), (-0.8, -8), (-2.5, -2.5), (-7.5, 0.5), (-12, -1)], 3.4, 0.9),
    ellipse("stomach", "fluid", 13, 1.5, 7.4, 4.8, -35),
)

_LOWER = (*_WALL, *_BOWEL, *_VESSELS)
_CORD = [(0.0, -24.0), (1.0, -30.0), (5.0, -36.0), (3.0, -43.0), (-5.0, -48.0), (-10.0, -55.0)]
_INSERTION = (
    *tube("vein inside", "line", "blood", [(0, -27), (-0.5, -20), (-1.5, -12)], 2.2, 0.6),
    stroke("cord", "wharton", _CORD, 9.5, 8.5),
    stroke("cord", "line", [(x - 0.5, y) for x, y in _CORD], 5.8, 5.0),
    stroke("cord", "blood", [(x - 0.5, y) for x, y in _CORD], 3.8, 3.2),
    stroke("cord artery", "blood", [(4, -25), (4.6, -31), (1.0, -36), (7.0, -42), (-2, -49), (-6, -54)], 1.7),
    stroke("cord artery", "blood", [(-4, -25), (-2.4, -31), (8.2, -36), (-0.4, -43), (-8, -47), (-13, -55)], 1.7),
)
_KIDNEY = (
    *shell("kidney", "choroid", "kidney", 13, 9.6, 8.6, 7.2, 0.8, -20),
    ellipse("kidney core", "sulcus", 12.2, 9.6, 3.2, 2.4, -20, shift=0.3),
    stroke("renal pelvis", "pelvis", [(8.6, 9.8), (12.2, 9.5)], 2.2),
)
_KIDNEYS = (*_KIDNEY, *placed(mirrored(_KIDNEY), 0, 0, 180))  # the mirror image about the middle

_LONG_TRUNK = (
    blob("trunk", "skin", [(-75, -22), (-40, -23), (0, -26), (40, -25), (75, -22), (75, 22), (40, 25), (0, 26),
                           (-40, 23), (-75, 22)], size=0.04, shift=0),
    blob("trunk", "bowel", [(-75, -17), (-40, -19), (0, -22), (40, -21), (75, -18), (75, 18), (40, 21), (0, 22),
                            (-40, 19), (-75, 17)], size=0.04, shift=0),
    *row("rib row", "rib", [(-50, -20.5), (-20, -21.8), (12, -23.8)], 9, 1.5, 1.0),
    *row("rib row", "rib", [(-50, 20.5), (-20, 21.8), (12, 23.8)], 9, 1.5, 1.0),
)  # fmt: skip
_DOME = [(12.0, -21.0), (0.0, -17.0), (-7.0, -8.0), (-8.0, -1.0), (-6.0, 8.0), (1.0, 17.0), (12.0, 21.0)]
_DIAPHRAGM = (
    blob("coronal lung", "lung", [(12, -21), (-20, -19), (-46, -13), (-52, 0), (-46, 13), (-20, 19), (12, 21), (0, 0)]),
    blob("coronal liver", "liver", [*_DOME, (34, 20), (36, 0), (34, -20)]),
    ellipse("coronal heart", "heart", -21, 2.5, 11.5, 9.0, 25),
    ellipse("coronal ventricle", "blood", -22, -0.6, 6.4, 2.5, 25),
    ellipse("coronal ventricle", "blood", -20, 6.0, 6.0, 2.3, 25),
    stroke("dome", "line", _DOME, 3.0),
    stroke("dome", "diaphragm", _DOME, 1.5),
    ellipse("coronal stomach", "fluid", 10, 11, 7.0, 4.6, 20),
)

_PELVIS = (
    blob("pelvic wall", "skin", [(0, -21), (16, -19), (26, -8), (26, 8), (14, 20), (0, 21), (-14, 20), (-26, 8),
                                 (-26, -8), (-16, -19)], size=0.05, shift=0),
    blob("pelvic wall", "muscle", [(0, -19), (14, -17), (24, -7), (24, 7), (13, 18), (0, 19), (-13, 18), (-24, 7),
                                   (-24, -7), (-14, -17)], size=0.05, shift=0),
    ellipse("pelvic bowel", "bowel", 0, -1, 14, 15),
    stroke("ilium", "bone", [(12, 9), (15.5, 3), (18, -4)], 2.2),
    stroke("ilium", "bone", [(-12, 9), (-15.5, 3), (-18, -4)], 2.2),
    *vertebra(11.5),
)  # fmt: skip
_BLADDER = (
    *shell("bladder", "sulcus", "fluid", 0, -6.0, 7.8, 6.4, 0.9),
    stroke("umbilical arteries", "line", [(1.6, -18), (7.4, -12), (9.6, -5), (9.4, 3)], 2.8),
    stroke("umbilical arteries", "blood", [(1.6, -18), (7.4, -12), (9.6, -5), (9.4, 3)], 1.5),
    stroke("umbilical arteries", "line", [(-1.6, -18), (-7.4, -12), (-9.6, -5), (-9.4, 3)], 2.8),
    stroke("umbilical arteries", "blood", [(-1.6, -18), (-7.4, -12), (-9.6, -5), (-9.4, 3)], 1.5),
)

VIEWS = (
    View("AB", _UPPER, _LIVER_MARKS, 54),
    View("CI", placed(_LOWER, 0, 13), placed(_INSERTION, 0, 13), 82, needs_fluid=True),
    View("Kidneys", _LOWER, _KIDNEYS, 54),
    View("BL", _PELVIS, _BLADDER, 50),
    View("DI", _LONG_TRUNK, _DIAPHRAGM, 84, LONG_TURN_DEG),
)
