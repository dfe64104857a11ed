"""A picture with lines of text below it, as a PNG: pixels in, bytes out. The text stands in the file as well."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont, ImageFont

MIN_WIDTH_PX = 320  # narrower pictures get a margin, so that a line of text has room
FONT_SHARE = 0.022  # of the width
FONT_PX = (12, 28)  # smallest that is read on a screen, largest that is needed
BACKGROUND, INK = (16, 16, 16), (214, 214, 214)  # a dark room: no white field


def png_from_picture(picture: NDArray[np.uint8], lines: Sequence[str], texts: Mapping[str, str]) -> bytes:
    """Put lines below a picture.

    Args:
        picture: (H,W,3), 0..255, RGB.
        lines: what to write; wrapped to the width. The built-in font has Latin letters only.
        texts: keyword -> text of the PNG, in any script; empty ones are left out.

    Source: PNG specification, third edition, section 11.3.3 (iTXt).
    """
    from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

    height, width = picture.shape[:2]
    full = max(width, MIN_WIDTH_PX)
    size = min(max(round(full * FONT_SHARE), FONT_PX[0]), FONT_PX[1])
    font = ImageFont.load_default(size)
    wrapped = [part for line in lines for part in _wrapped(line, font, full - size)]
    step = round(1.3 * size)
    canvas = Image.new("RGB", (full, height + step * len(wrapped) + size), BACKGROUND)
    canvas.paste(Image.fromarray(picture), ((full - width) // 2, 0))
    drawing = ImageDraw.Draw(canvas)
    for number, line in enumerate(wrapped):
        drawing.text((size // 2, height + size // 2 + step * number), line, fill=INK, font=font)
    notes = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        if text:
            notes.add_itxt(keyword, text)
    stream = io.BytesIO()
    canvas.save(stream, "PNG", pnginfo=notes)
    return stream.getvalue()


def _wrapped(line: str, font: ImageFont | FreeTypeFont, width_px: int) -> list[str]:
    rows: list[str] = []
    for word in line.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and font.getlength(longer) <= width_px:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows
