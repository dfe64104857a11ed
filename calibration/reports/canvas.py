"""Matplotlib without a screen: an empty figure, and a figure as PNG bytes that are the same at every run.

Names of a user's own planes may be Chinese: what matplotlib's font lacks is drawn in a font of the system, and without
one in the subset that the exam report brings along.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edge.reports.pdf_fonts import FONT_FILES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHINESE_FILES = ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", *FONT_FILES)
DPI = 110  # a picture of 7 inches fills a page of 50 rem


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; sides in inches."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["font.family"] = list(_families())  # a text has the one that is set when it is made
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def drawable(text: str) -> str:
    """What a font here can draw of a line, and a dollar as a dollar, not as a formula."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=family))) for family in _families()]
    drawn = "".join(letter for letter in text if any(font.get_char_index(ord(letter)) for font in fonts))
    return drawn.strip().replace("$", r"\$")


def png_from_figure(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG, without the program's name and version."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box; the page has the name as text
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


@cache
def _families() -> tuple[str, str]:
    """Matplotlib's own font, and the one that is asked for what it lacks."""
    from matplotlib.font_manager import FontProperties, fontManager

    shipped = str(resources.files("edge.reports").joinpath("fonts/report-sc.ttf"))
    file = next((file for file in CHINESE_FILES if Path(file).is_file()), shipped)
    fontManager.addfont(file)
    return ("DejaVu Sans", FontProperties(fname=file).get_name())
