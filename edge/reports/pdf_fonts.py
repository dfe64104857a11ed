"""Which font draws which letter on paper: Latin in Helvetica, Chinese in a font that is embedded wherever one can be.

::

    letter -> cp1252?               Helvetica: every reader has it
           -> shipped subset?       fonts/report-sc.ttf: all of a report's own Chinese, embedded
           -> a font of the system? what a person typed, embedded       the path given, else FONT_FILES
           -> STSong-Light          not embedded: the reader must bring a Chinese font

In: texts. Out: runs of one font each, and their widths.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from edge.errors import InputError

LATIN, LATIN_BOLD = "Helvetica", "Helvetica-Bold"
SHIPPED, SYSTEM, NOT_EMBEDDED = "EdgeReportSC", "EdgeSystemCJK", "STSong-Light"
FONT_FILES = (  # TrueType outlines only: reportlab embeds no others, e.g. not Noto's
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simsun.ttc",
)


@dataclass(frozen=True)
class Fonts:
    """The fonts of one report.

    Attributes:
        coverage: name of an embedded font -> code points it draws, in the order in which they are asked.
    """

    coverage: tuple[tuple[str, frozenset[int]], ...]

    def runs(self, text: str, *, bold: bool = False) -> list[tuple[str, str]]:
        """Text as (font, piece), in order.

        Args:
            text: without line ends.
            bold: of the Latin letters; the Chinese font has one weight.
        """
        latin = LATIN_BOLD if bold else LATIN
        named = [(self._font(letter, latin), letter) for letter in text]
        return [(font, "".join(letter for _, letter in run)) for font, run in groupby(named, key=lambda pair: pair[0])]

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Of a text, in points."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        return float(sum(stringWidth(piece, font, size) for font, piece in self.runs(text, bold=bold)))

    def missing(self, texts: Iterable[str]) -> bool:
        """Whether a letter of the texts is in no font that is embedded."""
        return any(font == NOT_EMBEDDED for text in texts for font, _ in self.runs(text))

    def _font(self, letter: str, latin: str) -> str:
        try:
            letter.encode("cp1252")
        except UnicodeEncodeError:
            return next((name for name, points in self.coverage if ord(letter) in points), NOT_EMBEDDED)
        return latin


def load_fonts(path: Path | None = None) -> Fonts:
    """Register the fonts with reportlab.

    Args:
        path: a TrueType font for what the shipped one lacks; None: the first of FONT_FILES that is there.

    Raises:
        InputError: the given file is no font with TrueType outlines.
        ModuleNotFoundError: reportlab is not installed.
    """
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont

    registerFont(UnicodeCIDFont(NOT_EMBEDDED))
    shipped = resources.files("edge.reports").joinpath("fonts/report-sc.ttf")
    with resources.as_file(shipped) as file:
        faces = [(SHIPPED, _registered(SHIPPED, file))]
    for candidate in [path] if path is not None else map(Path, FONT_FILES):
        if path is None and not candidate.is_file():
            continue
        try:
            faces.append((SYSTEM, _registered(SYSTEM, candidate)))
            break
        except _font_errors() as error:
            if path is not None:
                raise InputError(
                    f"{path} is no font that can be embedded ({str(error).splitlines()[0]}).",
                    "Give a .ttf or .ttc file with TrueType outlines, e.g. wqy-zenhei.ttc.",
                ) from error
    return Fonts(tuple(faces))


def _font_errors() -> tuple[type[Exception], ...]:
    """Every way in which a strange file leaves the parser."""
    from reportlab.pdfbase.ttfonts import TTFError

    return (TTFError, OSError, ValueError, LookupError, struct.error)


def _registered(name: str, file: Path) -> frozenset[int]:
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    font: Any = TTFont(name, str(file))
    registerFont(font)
    return frozenset(font.face.charToGlyph)
