"""What a scan plane shows: the body around it, the landmarks that make it that plane, and how it may lie."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.phantom.shapes import Shape

ANY_TURN = 180.0


@dataclass(frozen=True)
class View:
    """The schematic anatomy of a plane.

    Attributes:
        plane: id in the protocol; of a view that is no plane, a name of its own.
        around: what neighbouring planes of that body region show as well.
        landmarks: what makes it this plane; a view without them is not standard.
        extent_mm: length that a sonographer fits into the frame, at 22 weeks.
        turn_deg: largest turn either way.
        may_mirror: the mirror image shows the same plane.
        in_uterus: surrounded by amniotic fluid, sometimes by placenta; else by the mother's tissue.
        needs_fluid: not recognisable without fluid around it.
    """

    plane: str
    around: tuple[Shape, ...]
    landmarks: tuple[Shape, ...]
    extent_mm: float
    turn_deg: float = ANY_TURN
    may_mirror: bool = True
    in_uterus: bool = True
    needs_fluid: bool = False
