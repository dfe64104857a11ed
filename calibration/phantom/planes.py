"""The 21 planes' anatomy in the protocol's order, and views that are no plane of it."""

from __future__ import annotations

from collections.abc import Mapping

from calibration.phantom import abdomen, brain, cervix, face, heart, limbs, spine
from calibration.phantom.shapes import blob, ellipse, row, shell, stroke, tube
from calibration.phantom.view import View
from edge.errors import UsageError

NOT_STANDARD = "not_standard"
PROTOCOL = "prenatal21"
NEIGHBOURS = (
    ("TTV", "TV", "TCV"),
    ("Eyes", "MFP"),
    ("CTSP", "LSSP", "DI"),
    ("4C", "LVOT", "RVOT", "3VT"),
    ("AB", "CI", "Kidneys", "BL"),
    ("HL", "UR"),
    ("FL", "TF"),
    ("ICO",),
)  # planes that a probe reaches from one another without leaving the body region

_CORD = [(-40.0, 4.0), (-24.0, -6.0), (-8.0, 5.0), (8.0, -5.0), (24.0, 6.0), (40.0, -4.0)]

ELSEWHERE = (
    View("placenta", (blob("placenta slab", "placenta", [(-50, 0), (0, -8), (50, 0), (44, 20), (0, 24), (-44, 20)]),),
         (*tube("placental vessel", "line", "blood", [(-20, 10), (0, 4), (22, 9)], 2.0),), 80),
    View("cord", (), (stroke("free cord", "wharton", _CORD, 10), stroke("free cord", "blood", _CORD, 4.2),
                      stroke("free cord artery", "line", [(x + 4, -y) for x, y in _CORD], 2.6),
                      stroke("free cord artery", "blood", [(x + 4, -y) for x, y in _CORD], 1.6)), 70),
    View("cross-section", (*shell("cut limb", "skin", "muscle", 0, 0, 12, 11, 2.0),),
         (ellipse("cut bone", "bone", -1, 0, 2.4, 2.2),), 40),
    View("fingers", (), (*row("loose fingers", "skin", [(-12, 4), (12, 4)], 4, 2.6, 9.0),
                         *row("loose bones", "rib", [(-12, 4), (12, 4)], 4, 0.8, 3.6),
                         ellipse("loose palm", "skin", 0, 18, 13, 8)), 50),
)  # fmt: skip

VIEWS: Mapping[str, View] = {
    view.plane: view
    for view in (*brain.VIEWS, *face.VIEWS, *spine.VIEWS, *heart.VIEWS, *abdomen.VIEWS, *limbs.VIEWS, *cervix.VIEWS)
}


def plane_names() -> tuple[str, ...]:
    """Ids of the 21 planes, in the protocol's order."""
    from edge.protocol import load_protocol

    return tuple(plane.id for plane in load_protocol(PROTOCOL).planes)


def view_from_plane(plane: str) -> View:
    """The anatomy of a plane.

    Raises:
        UsageError: there is none of that id.
    """
    if plane not in VIEWS:
        raise UsageError(f"There is no phantom of the plane {plane!r}.", f"Choose one of: {', '.join(VIEWS)}.")
    return VIEWS[plane]


def neighbours_from_plane(plane: str) -> tuple[str, ...]:
    """The other planes of its body region."""
    return tuple(other for group in NEIGHBOURS if plane in group for other in group if other != plane)
