"""ExamDocument -> PDF: one A4 page a fetus, up to PAGE_ROWS planes on it, in English and Chinese.

::

    banner        DEMONSTRATION or the bundle's watermark, where there is one; across the page as well
    head          title, research-use line, patient, exam, times, protocol
    summary       each state with its number: the legend
    cells         a plane each: picture, names, state, confidence step, who said it
    foot          what a step means, bundle digest, protocol version, audit entry, credit, page

In: the document and its JPEGs. Out: the file's bytes; the same document gives the same bytes with the same fonts.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.exam_marks import Marks
from edge.reports.document import ExamDocument, ReportRow
from edge.reports.gather import Report
from edge.reports.pdf_cells import Box, draw_cell
from edge.reports.pdf_fonts import load_fonts
from edge.reports.pdf_pen import ALERT, GRAY, INK, LINE, STATE_COLOURS, Pen
from edge.reports.words import LABELS, PHASES, STATES, STEPS_NOTE, SUBTITLE, TITLE, Words, both

A4 = (595.28, 841.89)  # points; ISO 216: 210 x 297 mm
EDGE = 34.0  # points, 12 mm: no printer cuts that off
PAGE_ROWS = 21  # the largest protocol that comes with the runtime
GAP = 4.0  # points between cells
MAX_CELL = 130.0  # points: a picture that is larger shows no more
FOOT = 68.0  # points
MODELS_SHOWN = 2  # the last ones; the JSON has all
LEGEND = ("captured", "confirmed", "captured_low", "missing", "not_obtainable", "not_covered")


@dataclass(frozen=True)
class PdfFile:
    """The file, and whether all its letters are in fonts that are embedded: else a reader needs a Chinese font."""

    data: bytes
    is_embedded: bool


def pdf_from_report(report: Report, font: Path | None = None) -> PdfFile:
    """The file.

    Args:
        report: of `edge.reports.gather`.
        font: a TrueType font for Chinese that a person typed; None: one of the system's.

    Raises:
        InputError: the font cannot be embedded.
        ModuleNotFoundError: reportlab is not installed.
    """
    from reportlab.pdfgen.canvas import Canvas

    document, stream = report.document, io.BytesIO()
    pages = _pages(document)
    canvas = Canvas(stream, pagesize=A4, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(f"{TITLE[0]}, exam {document.exam}")
    canvas.setSubject(document.research_use.en)
    canvas.setCreator(f"{document.software.name} {document.software.version}")
    pen = Pen(canvas, load_fonts(font))
    for number, (fetus, rows) in enumerate(pages, 1):
        _draw_page(pen, report, fetus, rows, f"{number}/{len(pages)}")
        canvas.showPage()
    canvas.save()
    return PdfFile(stream.getvalue(), not pen.fonts.missing(_typed(document)))


def _pages(document: ExamDocument) -> list[tuple[int, list[ReportRow]]]:
    """Fetus and rows of each page."""
    pages = []
    for fetus in range(1, document.fetuses + 1):
        rows = [row for row in document.rows if row.fetus == fetus]
        pages += [(fetus, rows[start : start + PAGE_ROWS]) for start in range(0, max(1, len(rows)), PAGE_ROWS)]
    return pages


def _typed(document: ExamDocument) -> list[str]:
    """Texts that people or protocol files gave."""
    protocol = document.protocol
    named = [text for row in document.rows for text in (row.en, row.zh, row.region_zh, row.reason or "")]
    return [document.patient, document.study, protocol.en, protocol.zh, *named]


def _draw_page(pen: Pen, report: Report, fetus: int, rows: Sequence[ReportRow], page: str) -> None:
    document = report.document
    y = _draw_banner(pen, document, A4[1] - EDGE)
    y = _draw_head(pen, document, fetus, y)
    y = _draw_summary(pen, [row for row in document.rows if row.fetus == fetus], y)
    _draw_cells(pen, report, rows, y)
    _draw_foot(pen, document, page)
    _draw_watermark(pen, document)


def _draw_banner(pen: Pen, document: ExamDocument, y: float) -> float:
    """A filled bar with what must not be overlooked; nothing where there is nothing."""
    lines = _alerts(document)
    if not lines:
        return y
    height = 13.0 * len(lines) + 3
    pen.canvas.setFillColorRGB(*ALERT)
    pen.canvas.rect(EDGE, y - height + 8, A4[0] - 2 * EDGE, height, stroke=0, fill=1)
    for line in lines:
        pen.text(EDGE + 6, y - 4, line, 9, bold=True, colour=(1, 1, 1))
        y -= 13
    return y - 5


def _alerts(document: ExamDocument) -> list[str]:
    """What must not be overlooked; the last one stands across the page as well where `_is_marked`."""
    marks = document.marks
    demo = [both(LABELS["demo"])] if marks is not None and marks.is_demo else []
    unknown = [both(LABELS[document.unmarked])] if document.unmarked else []
    return [*unknown, *demo, *([marks.watermark] if marks is not None and marks.watermark else [])]


def _is_marked(marks: Marks | None) -> bool:
    return marks is not None and (marks.is_demo or bool(marks.watermark))


def _draw_head(pen: Pen, document: ExamDocument, fetus: int, y: float) -> float:
    right = A4[0] - EDGE
    y -= 9
    width = pen.text(EDGE, y, TITLE[0], 17, bold=True)
    pen.text(EDGE + width + 8, y, TITLE[1], 15)
    if document.fetuses > 1:
        words = LABELS["fetus"]
        pen.text(right, y, f"{words[0]} {words[1]} {fetus} / {document.fetuses}", 13, bold=True, right=True)
    y -= 12
    pen.text(EDGE, y, f"{SUBTITLE[0]} {SUBTITLE[1]}", 7.6, colour=GRAY)
    y -= 10
    pen.text(EDGE, y, f"{document.research_use.en} {document.research_use.zh}", 7.6, bold=True, colour=ALERT)
    y -= 7
    _rule(pen, y)
    return _draw_facts(pen, document, y - 11)


def _draw_facts(pen: Pen, document: ExamDocument, y: float) -> float:
    """Two columns of names and values."""
    marks, protocol = document.marks, document.protocol
    scanner = marks.scanner if marks is not None and marks.scanner else "-"
    if marks is not None and marks.is_measured is False:
        scanner += f" ({both(LABELS['unmeasured_scanner'])})"
    ended, who = document.ended_wall, ", ".join(document.operators) or both(LABELS["unauthenticated"])
    pairs = (
        ("patient", document.patient or "-"), ("exam", document.exam),
        ("study", document.study or "-"), ("operator", who),
        ("opened", minute_from_wall(document.opened_wall)),
        ("ended", minute_from_wall(ended) if ended else both(PHASES[document.phase])),
        ("protocol", f"{protocol.en} {protocol.zh}"), ("scanner", scanner),
    )  # fmt: skip
    half, lowest = (A4[0] - 2 * EDGE) / 2, y
    for number, (name, value) in enumerate(pairs):
        x, most = EDGE + half * (number % 2), 2 if number >= len(pairs) - 2 else 1
        pen.text(x, y, _short(LABELS[name]), 7.2, colour=GRAY)
        lowest = min(lowest, pen.block(x + 64, y, value, 8, half - 70, most, bold=True))
        y -= 11.5 * (number % 2)
    return lowest - 1


def _draw_summary(pen: Pen, rows: Sequence[ReportRow], y: float) -> float:
    """Each state with its number: the legend as well."""
    _rule(pen, y + 5)
    counts = Counter(row.state for row in rows)
    left, required = sum(row.is_left for row in rows), sum(row.required for row in rows)
    words = LABELS["incomplete" if left else "complete"]
    told = both((words[0].format(left=left, required=required), words[1].format(left=left, required=required)))
    y -= 7
    pen.text(EDGE, y, told, 9.5, bold=True, colour=ALERT if left else STATE_COLOURS["captured"])
    y -= 14
    x = EDGE
    for state in LEGEND:
        pen.symbol(x, y - 4.6, 11, state)
        x += 14
        x += pen.text(x, y - 2.8, str(counts[state]), 10, bold=True) + 4
        en, zh = STATES[state]
        x += max(pen.text(x, y, en, 6.4), pen.text(x, y - 7.4, zh, 6.4, colour=GRAY)) + 12
    return y - 14


def _short(words: Words) -> str:
    return f"{words[0]} {words[1]}"


def _draw_cells(pen: Pen, report: Report, rows: Sequence[ReportRow], top: float) -> None:
    columns = 2 if len(rows) <= 8 else 3
    lines = -(-max(1, len(rows)) // columns)
    width = (A4[0] - 2 * EDGE - GAP * (columns - 1)) / columns
    height = min(MAX_CELL, (top - EDGE - FOOT - GAP * (lines - 1)) / lines)
    for number, row in enumerate(rows):
        line, column = divmod(number, columns)
        box = Box(EDGE + column * (width + GAP), top - height - line * (height + GAP), width, height)
        draw_cell(pen, box, row, report.jpegs.get(row.frame) if row.frame else None)


def _draw_foot(pen: Pen, document: ExamDocument, page: str) -> None:
    marks = document.marks
    names = {model.bundle: "" for model in document.models[-MODELS_SHOWN:]}
    if marks is not None and document.models[0].bundle in names:
        names[document.models[0].bundle] = f"{marks.model}, "
    lines = [
        f"{STEPS_NOTE[0]} {STEPS_NOTE[1]}",
        f"{_short(LABELS['tray'])}: {len(document.tray)} · {_short(LABELS['words'])}: {len(document.words)}",
        *(f"{_short(LABELS['model'])}: {name}bundle sha256:{digest}" for digest, name in names.items()),
        f"{_short(LABELS['protocol'])}: {document.protocol.id}, version sha256:{document.protocol.sha256}",
        f"{document.software.name} {document.software.version}, audit entry {document.audit.number}:"
        f"{document.audit.digest}",
    ]
    _rule(pen, EDGE + FOOT - 4)
    y = EDGE + FOOT - 13
    for line in lines:
        y = pen.block(EDGE, y, line, 6.2, A4[0] - 2 * EDGE - 50, 1, colour=GRAY)
    if marks is not None and marks.credit:
        pen.block(EDGE, y, marks.credit, 6.2, A4[0] - 2 * EDGE, 3, colour=INK)
    pen.text(A4[0] - EDGE, EDGE + FOOT - 13, f"{_short(LABELS['page'])} {page}", 7, colour=INK, right=True)


def _draw_watermark(pen: Pen, document: ExamDocument) -> None:
    """The weightiest alert across the page, pale enough to read through."""
    if not _is_marked(document.marks):
        return
    canvas: Any = pen.canvas
    text = _alerts(document)[-1]
    size = min(44.0, 44.0 * 620 / max(1.0, pen.fonts.width(text, 44, bold=True)))
    canvas.saveState()
    canvas.setFillAlpha(0.16)
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(52)
    pen.text(-pen.fonts.width(text, size, bold=True) / 2, 0, text, size, bold=True, colour=ALERT)
    canvas.restoreState()


def _rule(pen: Pen, y: float) -> None:
    pen.canvas.setStrokeColorRGB(*LINE)
    pen.canvas.setLineWidth(0.6)
    pen.canvas.line(EDGE, y, A4[0] - EDGE, y)


def minute_from_wall(wall: str) -> str:
    """Day and minute of an ISO time in UTC."""
    return f"{wall[:16].replace('T', ' ')} UTC"
