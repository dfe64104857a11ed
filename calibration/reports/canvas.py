"""Matplotlib without a screen: an empty figure, and a figure as PNG bytes that are the same at every run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST_CJK = 0x2E80  # first code point of the CJK blocks
DPI = 110  # a picture of 7 inches fills a page of 50 rem


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; sides in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def drawable(text: str) -> str:
    """What matplotlib's own font can draw of a line: no Chinese, and a dollar as a dollar, not as a formula."""
    return "".join(letter for letter in text if ord(letter) < FIRST_CJK).strip().replace("$", r"\$")


def png_from_figure(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG, without the program's name and version."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()
