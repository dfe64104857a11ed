"""A set's contact sheet: one column a plane, a few of its frames below its name. English only: no font is shipped."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.marking import TEXT

CELL_PX = 120
ROWS = 6
HEAD_PX = 64


def png_from_frames(
    columns: Sequence[tuple[str, str]], frame: Callable[[str, int], NDArray[np.uint8]], title: str
) -> bytes:
    """Draw the sheet.

    Args:
        columns: id and English name of each.
        frame: gives a frame of an id by its number.
        title: below the marking.

    Returns:
        A PNG.
    """
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("L", (len(columns) * CELL_PX, HEAD_PX + 30 + ROWS * CELL_PX), 16)
    draw = ImageDraw.Draw(sheet)
    draw.text((8, 4), f"{TEXT}. {title}", fill=255, font=ImageFont.load_default(18))
    big, small = ImageFont.load_default(15), ImageFont.load_default(10)
    for column, (label, name) in enumerate(columns):
        x = column * CELL_PX
        draw.text((x + 4, 32), label, fill=255, font=big)
        draw.multiline_text((x + 4, 52), _folded(name), fill=200, font=small, spacing=2)
        for row in range(ROWS):
            image = Image.fromarray(frame(label, row))
            image.thumbnail((CELL_PX - 4, CELL_PX - 4))
            sheet.paste(image, (x + 2, HEAD_PX + 30 + row * CELL_PX))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _folded(name: str, width: int = 20) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(name, width)[:3])
