"""The study's rows as one picture: macro-F1 over time, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from tests.study.paired import is_comparator

OURS, COMPARATOR, TEACHER = "#0072b2", "#6b6b6b", "#d55e00"  # told apart by colour-blind people, too
SIZE_IN = (8.4, 5.2)


def png_from_rows(rows: Sequence[Mapping[str, Any]], unit_ms: float, caption: str) -> bytes:
    """Draw the first seed of every row.

    Args:
        rows: as `row_of` writes them.
        unit_ms: latency that counts as 1.
        caption: above the picture.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(SIZE_IN, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for row in (row for row in rows if row["seed"] == 0):
        time, f1 = row["p50_ms"] / unit_ms, row["int8"]["macro_f1"]
        low, high = row["int8"]["macro_f1_interval"]
        name = row["row"]
        colour = OURS if name.startswith("edge_") else COMPARATOR if is_comparator(name) else TEACHER
        axes.errorbar(time, f1, [[f1 - low], [high - f1]], color=colour, fmt="o", elinewidth=0.8, alpha=0.9)
        axes.annotate(name, (time, f1), xytext=(5, 3), textcoords="offset points", fontsize=7, color=colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks([0.25, 0.5, 1, 2, 4])
    axes.set_xlabel("time of one image, INT8, one thread; edge_n-ships = 1")
    axes.set_ylabel("macro-F1, INT8")
    axes.set_title(caption, fontsize=9)
    axes.grid(alpha=0.25)
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
