"""Axial planes of the chest: spine below, the fetus' left to the right. The four share chest wall, lungs and aorta."""

from __future__ import annotations

from calibration.phantom.shapes import Shape, blob, ellipse, placed, row, shell, stroke, tube
from calibration.phantom.view import View

AXIS_DEG = -45.0  # the heart's apex points to the front and left
EXTENT_MM = 40.0  # less than the chest: a heart is looked at magnified, so that it fills a third of the picture


def ribs(x: float, y: float) -> tuple[Shape, ...]:
    """A pair of ribs inside a trunk with these half axes, mm."""
    side = [(0.80 * x, 0.62 * y), (0.99 * x, 0.15 * y), (0.95 * x, -0.32 * y)]
    front = [(0.86 * x, -0.52 * y), (0.66 * x, -0.77 * y)]
    both = [*(stroke("ribs", "rib", points, 1.5) for points in (side, front))]
    other = [stroke("ribs", "rib", points, 1.5) for points in ([(-u, v) for u, v in side], [(-u, v) for u, v in front])]
    return (*both, *other)


def vertebra(y: float) -> tuple[Shape, ...]:
    """The three ossification centres of a vertebra whose body lies at height y, mm."""
    return (
        ellipse("vertebra", "cartilage", 0, y + 3.5, 6.5, 5.5),
        ellipse("vertebra", "cord", 0, y + 4.6, 2.2, 1.8),
        ellipse("vertebra", "vertebra", 0, y, 2.7, 2.0),
        *row("vertebra", "vertebra", [(-4.2, y + 5.5), (4.2, y + 5.5)], 2, 1.6, 1.3),
    )


CHEST = (
    ellipse("chest", "skin", 0, 0, 27.5, 25.5, size=0.05, shift=0),
    ellipse("chest", "muscle", 0, 0, 25.8, 23.8, size=0.05, shift=0),
    ellipse("chest", "lung", 0, -0.5, 22.5, 20.5, size=0.05, shift=0),
    *ribs(24.2, 22.2),
    *vertebra(15.5),
    *shell("descending aorta", "valve", "blood", 4.4, 11.4, 2.5, 2.5, 0.6),
)

FOUR_CHAMBERS = placed(
    (
        ellipse("heart", "heart", 0, 0, 16, 11.2),
        ellipse("left ventricle", "blood", 6.2, 4.4, 7.0, 2.9, 4, shift=0.2),
        ellipse("right ventricle", "blood", 4.6, -4.6, 6.4, 3.1, -4, shift=0.2),
        ellipse("left atrium", "blood", -8.2, 4.2, 4.6, 3.8, shift=0.2),
        ellipse("right atrium", "blood", -8.0, -4.4, 4.7, 4.0, shift=0.2),
        stroke("foramen", "blood", [(-8.0, -1.5), (-8.0, 1.5)], 2.6),
        stroke("mitral", "valve", [(-2.6, 0.6), (-2.0, 7.4)], 1.0),
        stroke("tricuspid", "valve", [(-1.2, -0.6), (-2.0, -7.6)], 1.0),
        stroke("moderator", "valve", [(8.0, -2.4), (8.8, -6.6)], 1.0),
        stroke("septum", "valve", [(-1.0, 0.0), (6.0, 0.0), (13, 0.0)], 1.2, 2.2),
    ),
    2.5,
    -2.5,
    AXIS_DEG,
)

LEFT_OUTFLOW = placed(
    (
        ellipse("heart", "heart", 0.5, 0.5, 16, 11),
        ellipse("right ventricle out", "blood", 4.5, -6.0, 7.6, 2.6, 4),
        ellipse("left atrium out", "blood", -7.2, 6.4, 4.8, 3.4),
        *tube(
            "ascending aorta", "valve", "blood", [(3, 3.0), (-3.0, 0.4), (-8.5, -3.6), (-13.0, -8.6), (-14, -13)], 4.0
        ),
        ellipse("left ventricle out", "blood", 6.6, 3.6, 8.0, 3.0, 8),
        stroke("mitral out", "valve", [(-1.8, 4.2), (-1.4, 8.2)], 0.9),
        stroke("aortic valve", "valve", [(-2.6, -1.6), (-4.2, 1.6)], 0.7),
    ),
    2.5,
    -1.0,
    AXIS_DEG,
)

RIGHT_OUTFLOW = (
    blob("outflow", "heart", [(-10, -12), (2, -17), (15, -12), (18, -3), (10, 3), (-6, 4), (-12, -3)]),
    ellipse("right ventricle top", "blood", 0.5, -12.2, 8.5, 3.1, -8),
    ellipse("left ventricle top", "blood", 12, -5.5, 3.8, 2.2, -45),
    *tube("right pulmonary", "valve", "blood", [(4.6, 0.5), (0.5, 4.8), (-6, 5.4), (-11, 4.0)], 2.2, 0.6),
    *tube("pulmonary trunk", "valve", "blood", [(3.0, -11.5), (4.6, -5), (5.2, 2), (4.6, 9.5)], 4.6, 0.8),
    stroke("pulmonary valve", "valve", [(1.4, -7.4), (6.6, -8.2)], 0.8),
    *shell("aorta round", "valve", "blood", -2.6, -2.2, 3.3, 3.3, 0.8),
    *shell("cava round", "valve", "blood", -8.6, -0.6, 2.4, 2.4, 0.6),
)

THREE_VESSELS = (
    blob("mediastinum", "heart", [(-12, -15), (0, -18), (11, -15), (10, 0), (6, 12), (-6, 10), (-10, -3)]),
    blob("thymus", "thymus", [(-9, -15), (0, -17.5), (9, -15), (7, -11), (0, -10.5), (-7, -11)]),
    *tube("arch", "valve", "blood", [(-3.4, -10.5), (-2.4, -3), (0.2, 4.5), (3.8, 10.8)], 3.6, 0.7),
    *tube("duct", "valve", "blood", [(4.6, -11.5), (5.8, -4), (6.0, 4), (4.4, 11.2)], 4.2, 0.7),
    *shell("cava top", "valve", "blood", -8.6, -8.6, 2.5, 2.5, 0.6),
    *shell("trachea", "line", "fluid", -4.6, 6.0, 2.3, 2.3, 1.0),
)

VIEWS = (
    View("4C", CHEST, FOUR_CHAMBERS, EXTENT_MM),
    View("LVOT", CHEST, LEFT_OUTFLOW, EXTENT_MM, may_mirror=False),
    View("RVOT", CHEST, RIGHT_OUTFLOW, EXTENT_MM, may_mirror=False),
    View("3VT", CHEST, THREE_VESSELS, EXTENT_MM, may_mirror=False),
)
