"""Text and symbols on a page: cut to their width, in the font that has the letters, in points from the lower left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.exam_state import PlaneState
from edge.reports.pdf_fonts import Fonts

Colour = tuple[float, float, float]  # red, green, blue, 0..1

INK: Colour = (0.10, 0.12, 0.15)
GRAY: Colour = (0.36, 0.40, 0.45)
LINE: Colour = (0.80, 0.82, 0.85)
PALE: Colour = (0.95, 0.96, 0.97)
ALERT: Colour = (0.70, 0.12, 0.10)
STATE_COLOURS: dict[str, Colour] = {  # each at least 4.5:1 on white (WCAG 1.4.3); the symbol says the same without
    PlaneState.CAPTURED: (0.08, 0.45, 0.22),
    PlaneState.CONFIRMED: (0.03, 0.32, 0.60),
    PlaneState.CAPTURED_LOW: (0.58, 0.36, 0.0),
    PlaneState.CANDIDATE: (0.58, 0.36, 0.0),
    PlaneState.MISSING: (0.70, 0.12, 0.10),
    PlaneState.NOT_OBTAINABLE: (0.36, 0.25, 0.50),
    PlaneState.NOT_COVERED: (0.36, 0.40, 0.45),
}
LEADING = 1.22  # of the letters' size, from line to line
DOTS = "..."  # ends a text that was cut; the JSON has all of it


@dataclass(frozen=True)
class Pen:
    """Draws on one canvas.

    Attributes:
        canvas: of reportlab.
        fonts: that have the letters.
    """

    canvas: Any
    fonts: Fonts

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: Colour = INK,
        right: bool = False,
    ) -> float:
        """One line; gives its width.

        Args:
            x: its left end, or its right one with `right`.
            y: of the base line.
            text: without line ends.
            size: of the letters.
            bold: of the Latin letters.
            colour: of all.
            right: whether x is the right end.
        """
        width = self.fonts.width(text, size, bold=bold)
        at = x - width if right else x
        self.canvas.setFillColorRGB(*colour)
        for font, piece in self.fonts.runs(text, bold=bold):
            self.canvas.setFont(font, size)
            self.canvas.drawString(at, y, piece)
            at += self.canvas.stringWidth(piece, font, size)
        return width

    def lines(self, text: str, size: float, width: float, most: int, *, bold: bool = False) -> list[str]:
        """A text wrapped at spaces, and inside a word that is too long; what has no room ends in dots."""
        rows: list[str] = []
        for word in text.split():
            joined = f"{rows[-1]} {word}" if rows else word
            if rows and self.fonts.width(joined, size, bold=bold) <= width:
                rows[-1] = joined
                continue
            rows.append("")
            for letter in word:
                if rows[-1] and self.fonts.width(rows[-1] + letter, size, bold=bold) > width:
                    rows.append("")
                rows[-1] += letter
        if len(rows) <= most:
            return rows
        last = rows[most - 1]
        while last and self.fonts.width(last + DOTS, size, bold=bold) > width:
            last = last[:-1]
        return [*rows[: most - 1], last.rstrip() + DOTS]

    def block(self, x: float, y: float, text: str, size: float, width: float, most: int, **style: Any) -> float:
        """Wrapped lines downwards; gives the base line below them."""
        for row in self.lines(text, size, width, most, bold=bool(style.get("bold", False))):
            self.text(x, y, row, size, **style)
            y -= size * LEADING
        return y

    def symbol(self, x: float, y: float, size: float, state: str) -> None:
        """The sign of a state in a square whose lower left corner is (x, y): read by its form, coloured besides."""
        canvas, colour = self.canvas, STATE_COLOURS[state]
        middle, radius = (x + size / 2, y + size / 2), size * 0.46
        canvas.saveState()
        canvas.setStrokeColorRGB(*colour)
        canvas.setFillColorRGB(*colour)
        canvas.setLineWidth(size * 0.1)
        canvas.setLineCap(1)
        if state in (PlaneState.CAPTURED, PlaneState.CONFIRMED):
            canvas.circle(*middle, radius, stroke=0, fill=1)
            canvas.setStrokeColorRGB(1, 1, 1)
            canvas.setLineWidth(size * 0.12)
            self._path(middle, size, ((-0.22, 0.02), (-0.06, -0.16), (0.24, 0.18)))
            if state == PlaneState.CONFIRMED:  # a bar under the tick: the user signed it
                self._path(middle, size, ((-0.2, -0.28), (0.2, -0.28)))
        elif state in (PlaneState.CAPTURED_LOW, PlaneState.CANDIDATE):
            self._path(middle, size, ((0, 0.44), (0.46, -0.38), (-0.46, -0.38), (0, 0.44)), fill=True)
            canvas.setStrokeColorRGB(1, 1, 1)
            canvas.setLineWidth(size * 0.12)
            self._path(middle, size, ((0, 0.16), (0, -0.1)))
            self._path(middle, size, ((0, -0.25), (0, -0.25)))
        else:
            if state == PlaneState.NOT_COVERED:
                canvas.setDash(size * 0.12, size * 0.17)
            canvas.circle(*middle, radius * 0.92, stroke=1, fill=0)
            canvas.setDash()
            if state == PlaneState.NOT_OBTAINABLE:
                slope = 0.46 * 0.92 * math.sqrt(0.5)
                self._path(middle, size, ((-slope, -slope), (slope, slope)))
        canvas.restoreState()

    def _path(
        self, middle: tuple[float, float], size: float, points: Sequence[tuple[float, float]], fill: bool = False
    ) -> None:
        path = self.canvas.beginPath()
        for number, (dx, dy) in enumerate(points):
            place = (middle[0] + dx * size, middle[1] + dy * size)
            (path.lineTo if number else path.moveTo)(*place)
        self.canvas.drawPath(path, stroke=0 if fill else 1, fill=1 if fill else 0)
