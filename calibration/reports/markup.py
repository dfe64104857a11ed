"""Figures and names -> pieces of HTML. Whatever comes from a file is escaped here and nowhere else."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOTHING = "–"  # in the place of a figure that is not there


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        cells: plain text; the first names the line; an interval in brackets is set below its figure.
        kind: "few" for figures that are shown and not meant, "all" for a sum or mean, or empty.
    """

    cells: tuple[str, ...]
    kind: str = ""


def text(value: object) -> str:
    """Anything as text between tags or in an attribute."""
    return html.escape(str(value), quote=True)


def paragraph(words: str, kind: str = "") -> str:
    """Plain text; `kind` names its style."""
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def table(head: Sequence[str], rows: Sequence[Row], caption: str = "") -> str:
    """A table that scrolls by itself where a screen is narrow.

    Args:
        head: names of the columns.
        rows: as long as the head.
        caption: plain text below it.
    """
    titles = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    lines = "\n".join(_line(row) for row in rows)
    words = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    body = f"<table><thead><tr>{titles}</tr></thead><tbody>\n{lines}\n</tbody></table>"
    return f'<figure><div class="scroll">{body}</div>{words}</figure>'


def pairs(values: Mapping[str, str]) -> str:
    """Names and values, one below the other."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in values.items())}</dl>"


def cards(values: Sequence[tuple[str, str, str]]) -> str:
    """The figures to be read first: (name, figure, what it means)."""
    boxes = (
        f'<div class="card">{text(name)}<b>{text(figure)}</b><span class="quiet">{text(meaning)}</span></div>'
        for name, figure, meaning in values
    )
    return f'<div class="cards">{"".join(boxes)}</div>'


def image(png: bytes, alt: str) -> str:
    """A picture inside the page itself; `alt`: what it shows, for who cannot see it."""
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{text(alt)}">'


def picture(png: bytes, alt: str, caption: str, *, wide: bool = False) -> str:
    """A picture with the words below it.

    Args:
        png: its bytes.
        alt: what it shows.
        caption: plain text.
        wide: as broad as the page, for sheets of many images.
    """
    kind = ' class="wide"' if wide else ""
    return f"<figure{kind}>{image(png, alt)}<figcaption>{text(caption)}</figcaption></figure>"


def share(value: float | None) -> str:
    """Three digits, or a dash."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.3f}"


def share_within(value: float | None, ends: Sequence[float] | None) -> str:
    """The same with its interval."""
    return f"{share(value)} {interval(ends)}".rstrip()


def interval(ends: Sequence[float] | None, form: str = "") -> str:
    """Both ends in brackets; nothing where all draws agree, as they do for 4 right of 4: that is no certainty.

    Args:
        ends: low and high; None for none.
        form: of a figure, as `format` takes it; empty for a share.
    """
    low, high = (format(end, form) if form else share(end) for end in ends or (0.0, 0.0))
    return f"[{low}, {high}]" if low != high else ""


def _line(row: Row) -> str:
    first, *rest = row.cells
    cells = "".join(f"<td>{_cell(cell)}</td>" for cell in rest)
    kind = f' class="{row.kind}"' if row.kind else ""
    return f'<tr{kind}><th scope="row">{text(first)}</th>{cells}</tr>'


def _cell(cell: str) -> str:
    figure, bracket, ends = cell.partition(" [")
    return f"{text(figure)} <small>[{text(ends)}</small>" if bracket else text(cell)
