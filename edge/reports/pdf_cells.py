"""One plane of one fetus on paper: its picture, its names, its state in words, and who or what put it there."""

from __future__ import annotations

import io
from dataclasses import dataclass

from edge.reports.document import WEAK, ReportRow
from edge.reports.pdf_pen import GRAY, LEADING, LINE, PALE, STATE_COLOURS, Pen
from edge.reports.words import CONFIDENCES, LABELS, SOURCES, STATES, reason_text

PICTURE_SHARE = (0.45, 0.56)  # of a narrow and of a wide cell's width
WIDE = 220.0  # points; from here on there is room for larger letters
WIDE_SCALE = 1.25
PRINTED_DPI = 220  # a thumbnail's pixels an inch: finer than the speckle of a stored frame at this size
MARGIN = 3.0  # points, inside a cell
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Box:
    """A rectangle in points, from its lower left corner."""

    x: float
    y: float
    width: float
    height: float


def draw_cell(pen: Pen, box: Box, row: ReportRow, jpeg: bytes | None) -> None:
    """One plane.

    Args:
        pen: of the page.
        box: where.
        row: what to tell.
        jpeg: of the kept frame, or None.
    """
    pen.canvas.setStrokeColorRGB(*LINE)
    pen.canvas.setLineWidth(0.6)
    pen.canvas.roundRect(box.x, box.y, box.width, box.height, 3, stroke=1, fill=0)
    picture = Box(
        box.x + MARGIN, box.y + MARGIN, box.width * PICTURE_SHARE[box.width >= WIDE] - MARGIN, box.height - 2 * MARGIN
    )
    _draw_picture(pen, picture, row, jpeg)
    x = picture.x + picture.width + 5
    words = Box(x, box.y + MARGIN, box.x + box.width - x - MARGIN, box.height - 2 * MARGIN)
    _draw_words(pen, words, row, WIDE_SCALE if box.width >= WIDE else 1.0)


def thumbnail_from_jpeg(jpeg: bytes, width: float, height: float) -> bytes | None:
    """A picture's JPEG at the size in which it is printed; None where it cannot be read.

    Args:
        jpeg: of any size.
        width: on paper, points.
        height: on paper, points.
    """
    from PIL import Image

    stream = io.BytesIO()
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            small = image.convert("L")
            small.thumbnail((round(width / 72 * PRINTED_DPI), round(height / 72 * PRINTED_DPI)))
            small.save(stream, "JPEG", quality=JPEG_QUALITY)
    except (OSError, ValueError, SyntaxError):
        return None
    return stream.getvalue()


def _draw_picture(pen: Pen, box: Box, row: ReportRow, jpeg: bytes | None) -> None:
    from reportlab.lib.utils import ImageReader

    canvas = pen.canvas
    small = thumbnail_from_jpeg(jpeg, box.width, box.height) if jpeg else None
    if small is not None:
        canvas.setFillColorRGB(0, 0, 0)
        canvas.rect(box.x, box.y, box.width, box.height, stroke=0, fill=1)
        canvas.drawImage(
            ImageReader(io.BytesIO(small)), box.x, box.y, box.width, box.height, preserveAspectRatio=True, anchor="c"
        )
        return
    canvas.setFillColorRGB(*PALE)
    canvas.rect(box.x, box.y, box.width, box.height, stroke=0, fill=1)
    en, zh = LABELS["saved_elsewhere" if row.state == "confirmed" and row.frame is None else "no_picture"]
    for text, offset in ((en, 1.5), (zh, -6.5)):
        width = pen.fonts.width(text, 6)
        pen.text(box.x + (box.width - width) / 2, box.y + box.height / 2 + offset, text, 6, colour=GRAY)


def _draw_words(pen: Pen, box: Box, row: ReportRow, scale: float) -> None:
    x, width, y = box.x, box.width, box.y + box.height - 5.5 * scale
    optional = "" if row.required else f" · {LABELS['optional'][0]} {LABELS['optional'][1]}"
    y = pen.block(x, y, f"{row.region_en} {row.region_zh}{optional}", 6 * scale, width, 1, colour=GRAY)
    y = pen.block(x, y - 1.3 * scale, row.en, 7.4 * scale, width, 3, bold=True)
    y = pen.block(x, y, row.zh, 7.2 * scale, width, 1)
    colour, words, indent = STATE_COLOURS[row.state], STATES[row.state], 10.6 * scale
    y -= 2.2 * scale
    pen.symbol(x, y - 1.6 * scale, 8.4 * scale, row.state)
    y = pen.block(x + indent, y, words[0], 7 * scale, width - indent, 2, bold=True, colour=colour)
    y = pen.block(x + indent, y, words[1], 6.6 * scale, width - indent, 1, colour=colour)
    for line, most in _details(row):
        room = int((y - box.y) // (6.2 * scale * LEADING)) + 1
        if room < 1:
            return
        y = pen.block(x, y - 0.4, line, 6.2 * scale, width, min(most, room), colour=GRAY)


def _details(row: ReportRow) -> list[tuple[str, int]]:
    """Smaller texts with their most lines, the most important first: what has no room stands in the JSON."""
    lines = []
    if row.word_by:
        lines.append((f"{LABELS['by'][0]} {row.word_by}, {time_from_wall(row.word_wall)}", 1))
    if row.reason:
        lines.append((f"{LABELS['reason'][0]} {LABELS['reason'][1]}: {reason_text(row.reason)}", 3))
    if row.frame:
        source, confidence = SOURCES[row.source], CONFIDENCES[row.confidence]
        lines.append((f"{LABELS['confidence'][0]} {LABELS['confidence'][1]}: {confidence[0]} {confidence[1]}", 1))
        if row.quality == WEAK:
            lines.append((f"{LABELS['weak'][0]} {LABELS['weak'][1]}", 1))
        lines.append((f"{source[0]} {source[1]}, {time_from_wall(row.captured_wall)}", 1))
    return lines


def time_from_wall(wall: str | None) -> str:
    """Hours and minutes of an ISO time, UTC; "" where there is none."""
    return "" if wall is None else wall[11:16]
