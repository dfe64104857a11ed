"""A picture with lines of text below it, as a PNG: pixels in, bytes out. The text stands in the file as well."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont, ImageFont

CHINESE = re.compile(r"[\u2e80-\uffff]")  # letters and full-width marks; East Asian blocks follow the Latin ones
PIECE = re.compile(r"[\u2e80-\uffff][，。：；、）]*|[^\u2e80-\uffff\s]+\s*")  # what no line end may cut
MIN_WIDTH_PX = 320  # narrower pictures get a margin, so that a line of text has room
FONT_SHARE = 0.022  # of the width
FONT_PX = (12, 28)  # smallest that is read on a screen, largest that is needed
BACKGROUND, INK = (16, 16, 16), (214, 214, 214)  # a dark room: no white field


def png_from_picture(picture: NDArray[np.uint8], lines: Sequence[str], texts: Mapping[str, str]) -> bytes:
    """Put lines below a picture.

    Args:
        picture: (H,W,3), 0..255, RGB.
        lines: what to write, in English or Chinese; wrapped to the width.
        texts: keyword -> text of the PNG, in any script; empty ones are left out.

    Source: PNG specification, third edition, section 11.3.3 (iTXt).
    """
    from PIL import Image, ImageDraw, PngImagePlugin

    height, width = picture.shape[:2]
    full = max(width, MIN_WIDTH_PX)
    size = min(max(round(full * FONT_SHARE), FONT_PX[0]), FONT_PX[1])
    faces = _load_faces(size)
    wrapped = [part for line in lines for part in _wrapped(line, faces, full - size)]
    step = round(1.3 * size)
    canvas = Image.new("RGB", (full, height + step * len(wrapped) + size), BACKGROUND)
    canvas.paste(Image.fromarray(picture), ((full - width) // 2, 0))
    drawing = ImageDraw.Draw(canvas)
    for number, line in enumerate(wrapped, 1):
        x = size / 2
        for face, run in faces.runs(line):
            drawing.text((x, height + size // 4 + step * number), run, fill=INK, font=face, anchor="ls")
            x += face.getlength(run)
    notes = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        if text:
            notes.add_itxt(keyword, text)
    stream = io.BytesIO()
    canvas.save(stream, "PNG", pnginfo=notes)
    return stream.getvalue()


@dataclass(frozen=True)
class _Faces:
    """A font for each script, of one size."""

    latin: ImageFont | FreeTypeFont
    chinese: FreeTypeFont

    def runs(self, text: str) -> Iterator[tuple[ImageFont | FreeTypeFont, str]]:
        """Text in pieces of one font each, in order."""
        for is_chinese, letters in groupby(text, lambda letter: CHINESE.match(letter) is not None):
            yield self.chinese if is_chinese else self.latin, "".join(letters)

    def width_px(self, text: str) -> float:
        return sum(face.getlength(run) for face, run in self.runs(text))


def _load_faces(size_px: int) -> _Faces:
    """Latin letters are built into Pillow; the Chinese ones that reports and captions need are shipped."""
    from PIL import ImageFont

    shipped = resources.files("edge.reports").joinpath("fonts/report-sc.ttf").read_bytes()
    return _Faces(ImageFont.load_default(size_px), ImageFont.truetype(io.BytesIO(shipped), size_px))


def _wrapped(line: str, faces: _Faces, width_px: int) -> list[str]:
    rows = [""]
    for piece in PIECE.findall(line):
        if rows[-1] and faces.width_px((rows[-1] + piece).rstrip()) > width_px:
            rows.append("")
        rows[-1] += piece
    return [row.rstrip() for row in rows if row]
