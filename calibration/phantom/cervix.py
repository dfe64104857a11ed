"""The mother's cervix lengthwise: internal os to the left, where the amniotic fluid ends; bladder above."""

from __future__ import annotations

from calibration.phantom.shapes import blob, ellipse, shell, stroke
from calibration.phantom.view import View

TURN_DEG = 20.0

_PELVIC_FLOOR = (
    blob("lower segment", "uterus", [(-75, -22), (-30, -19), (-12, -14), (-12, 14), (-30, 24), (-75, 34)]),
    blob("urine", "fluid", [(-36, -34), (-14, -36), (2, -28), (-2, -20), (-16, -19), (-34, -26)]),
    blob("rectum", "bowel", [(0, 26), (30, 20), (52, 26), (52, 44), (0, 44)]),
    stroke("vagina", "line", [(36, 2), (46, 5), (60, 10)], 1.0),
)
_CERVIX = (
    blob("cervix", "cervix", [(-14, -11), (4, -14), (24, -13.5), (36, -8), (37, 9), (26, 15), (4, 15), (-13, 12)]),
    blob("bag", "fluid", [(-11.5, 0.4), (-18, -7), (-34, -15), (-75, -16), (-75, 26), (-34, 17), (-18, 8)]),
    *shell("presenting head", "skull", "brain", -52, 3, 25, 22, 1.9, shift=2.0),
    stroke("glands", "mucus", [(-11, 0.4), (6, 0.8), (22, 2.4), (36, 2.6)], 4.4, 5.0),
    stroke("canal", "line", [(-11, 0.4), (6, 0.8), (22, 2.4), (36, 2.6)], 0.9),
    ellipse("nabothian", "fluid", 20, -7, 1.6, 1.4),
)

VIEWS = (View("ICO", _PELVIC_FLOOR, _CERVIX, 84, TURN_DEG, may_mirror=True, in_uterus=False),)
