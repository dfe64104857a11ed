"""The study's rows as one picture: macro-F1 with its interval, and time, a line a row, the best on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from tests.study.paired import is_comparator

COLOURS = {"ours": "#0072b2", "comparators": "#6b6b6b", "teachers": "#d55e00"}  # told apart by colour-blind people, too
WIDTH_IN, LINE_IN, REST_IN = 8.4, 0.24, 1.2


def png_from_rows(rows: Sequence[Mapping[str, Any]], caption: str) -> bytes:
    """Draw the first seed of every row.

    Args:
        rows: as study.json keeps them.
        caption: above the picture.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure

    shown = sorted((row for row in rows if row["seed"] == 0), key=lambda row: float(row["int8"]["macro_f1"]))
    figure = Figure((WIDTH_IN, REST_IN + LINE_IN * len(shown)), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    for line, row in enumerate(shown):
        f1, (low, high) = row["int8"]["macro_f1"], row["int8"]["macro_f1_interval"]
        colour = COLOURS[kind_of(row["row"])]
        left.errorbar(f1, line, xerr=[[f1 - low], [high - f1]], color=colour, fmt="o", markersize=4, elinewidth=1)
        right.barh(line, row["time"], color=colour, height=0.6)
    left.set_yticks(range(len(shown)), [f"{row['row']}  {row['epochs']}" for row in shown], fontsize=8)
    left.set_xlabel("macro-F1, INT8")
    right.set_xlabel("time; edge_n-ships = 1")
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.25)
    handles = [left.plot([], [], "o", color=colour, markersize=4, label=kind)[0] for kind, colour in COLOURS.items()]
    left.legend(handles=handles, fontsize=8, loc="lower right")
    figure.suptitle(caption, fontsize=9)
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def kind_of(row: str) -> str:
    """Whose network a row is: ours, a comparator, or a teacher, which vmamba_t is too."""
    return "ours" if row.startswith("edge_") else "comparators" if is_comparator(row) else "teachers"
