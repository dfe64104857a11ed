"""Long bones lengthwise; the trunk's end to the left. Arm and leg differ by joints, shape and what lies beside them."""

from __future__ import annotations

from calibration.phantom.shapes import Shape, blob, ellipse, row, stroke
from calibration.phantom.view import View

TURN_DEG = 40.0


def _shaft(
    name: str, x0: float, x1: float, y: float, bow: float, width: float, tissue: str = "thin bone"
) -> tuple[Shape, ...]:
    """A diaphysis with its wider ends; of a pair, sound passes the first to the second."""
    middle, flare = (x0 + x1) / 2, 0.16 * (x1 - x0)
    return (
        stroke(name, tissue, [(x0, y), (middle, y + bow), (x1, y)], width),
        stroke(name, tissue, [(x0, y), (x0 + flare, y + 0.5 * bow)], width * 1.6, width),
        stroke(name, tissue, [(x1, y), (x1 - flare, y + 0.5 * bow)], width * 1.6, width),
    )


_ARM = blob("arm", "skin", [(-40, -13), (-22, -11), (0, -8.5), (20, -7), (34, -12), (46, -16), (49, -9), (32, 3),
                            (20, 8), (0, 9), (-16, 13), (-40, 30)], size=0.05, shift=0)  # fmt: skip
_ARM_MUSCLE = blob(
    "arm", "muscle", [(-38, -10), (-20, -8.6), (0, -6.6), (20, -5), (30, -6), (20, 6), (0, 7), (-18, 10)]
)
_SHOULDER = (
    blob("chest side", "lung", [(-44, 14), (-28, 16), (-16, 26), (-18, 44), (-44, 44)]),
    *row("chest ribs", "rib", [(-40, 14), (-27, 17), (-17, 25), (-14, 36)], 5, 1.7, 1.1),
    stroke("scapula", "bone", [(-38, 2), (-31, 4.5), (-26, 10)], 1.8),
    stroke("clavicle", "bone", [(-36, -8), (-27, -7)], 1.4),
    ellipse("humeral head", "cartilage", -22.5, 0, 4.4, 4.0),
)
_ELBOW = (
    ellipse("trochlea", "cartilage", 20.6, 0.2, 2.8, 3.4),
    stroke("ulna start", "bone", [(25, -0.5), (40, -9)], 2.0),
    stroke("radius start", "bone", [(27, -4.5), (41, -12.5)], 1.7),
)

_THIGH = blob("thigh", "skin", [(-46, -22), (-24, -19), (0, -13.5), (20, -9.5), (30, -8), (40, -2), (48, 12), (40, 17),
                                (28, 9), (14, 11.5), (-8, 15), (-24, 22), (-46, 30)], size=0.05, shift=0)  # fmt: skip
_THIGH_MUSCLE = blob(
    "thigh", "muscle", [(-40, -17), (-20, -15), (0, -10.5), (20, -7), (28, -5), (26, 6), (10, 9), (-10, 12)]
)
_HIP = (
    ellipse("femoral head", "cartilage", -24.0, 2.0, 5.2, 5.0),
    stroke("ilium side", "bone", [(-42, -13), (-35, -6), (-31, -1)], 2.6),
    stroke("ischium", "bone", [(-33, 9), (-28, 13)], 2.4),
    stroke("trochanter", "bone", [(-18, -1.5), (-21, -4)], 3.0),
)
_KNEE = (
    ellipse("condyles", "cartilage", 23.2, 0.6, 4.6, 5.0),
    stroke("tibia start", "bone", [(29, 4), (39, 13)], 3.0),
    ellipse("patella", "cartilage", 27, -4.0, 2.2, 1.4, 40),
)

_FOREARM = blob("forearm", "skin", [(-44, -20), (-34, -19), (-22, -10), (-10, -8), (8, -7), (20, -6), (30, -9),
                                    (42, -8), (43, 5), (32, 8), (20, 6), (4, 7.5), (-14, 9.5), (-26, 8), (-40, -6)],
                size=0.05, shift=0)  # fmt: skip
_UPPER_ARM_END = (stroke("humerus end", "bone", [(-41, -15), (-26, -4)], 2.8),)
_HAND = (
    *row("metacarpals", "rib", [(27, -5.4), (27.6, 5.4)], 4, 0.8, 2.5),
    *row("phalanges", "rib", [(34, -6), (34.6, 5.6)], 4, 0.7, 2.0),
    *row("finger tips", "rib", [(39, -5.4), (39.4, 5)], 4, 0.6, 1.3),
)

_CALF = blob("calf", "skin", [(-46, -6), (-30, -10), (-16, -12.5), (0, -10.5), (14, -7.5), (20, -9), (27, -10),
                              (30, -4), (33, 16), (30, 24), (24, 22), (20, 8), (8, 8), (-12, 9), (-28, 9), (-46, 14)],
             size=0.05, shift=0)  # fmt: skip
_THIGH_END = (
    stroke("femur end", "bone", [(-44, 5), (-28, 0.5)], 3.4),
    ellipse("knee", "cartilage", -22.5, 0.4, 3.8, 5.6),
)
_FOOT = (
    ellipse("heel", "rib", 25.0, -5.6, 2.0, 1.6),
    ellipse("talus", "rib", 24.4, 0.8, 1.4, 1.4),
    *row("metatarsals", "rib", [(25.6, 10.5), (29.4, 9.5)], 3, 0.8, 3.2),
    *row("toes", "rib", [(26.2, 18.5), (30.2, 17.5)], 3, 0.7, 1.4),
)

VIEWS = (
    View(
        "HL", (_ARM, _ARM_MUSCLE), (*_SHOULDER, *_ELBOW, *_shaft("humerus", -18, 18, 0, 0.0, 3.0, "bone")), 72, TURN_DEG
    ),
    View(
        "UR",
        (_FOREARM,),
        (
            *_UPPER_ARM_END,
            *_HAND,
            *_shaft("ulna", -19, 16.5, 2.9, 0.9, 2.1),
            *_shaft("radius", -14.5, 17.5, -3.1, -0.9, 2.0),
        ),
        74,
        TURN_DEG,
    ),
    View("FL", (_THIGH, _THIGH_MUSCLE), (*_HIP, *_KNEE, *_shaft("femur", -19, 19, 0, -2.4, 3.2, "bone")), 76, TURN_DEG),
    View(
        "TF",
        (_CALF,),
        (
            *_THIGH_END,
            *_FOOT,
            *_shaft("tibia", -17.5, 18.5, 2.6, 0.0, 2.9),
            *_shaft("fibula", -15.5, 18, -4.2, 0.0, 1.4),
        ),
        74,
        TURN_DEG,
    ),
)
