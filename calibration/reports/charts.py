"""Curves and maps of a report -> pictures, as PNG bytes. Colours and markers that the colour-blind tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.evaluate import Coverage
from calibration.reports.canvas import new_figure, png_from_figure
from calibration.reports.curves import Calibration, CoverageCurve, RocCurve
from calibration.reports.embedding import Embedding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, Color Universal Design, 2008, without yellow (too pale on white) and black (for what is no plane)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")  # 6 colours and 11 markers: 66 planes differ
CROSSES = ("x", "+", "1", "2", "3", "4")  # of what is no plane
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))  # with 6 colours: 30 planes differ
GREY = "#777777"
MANY = 12  # planes; a legend of so many lines in one column would cover the axis
CORNER = 0.2  # side of the part of a ROC curve that is drawn twice: few false alarms, high sensitivity
WIDTH, DPI = 5.6, 150  # inches; the text stays readable where a phone shows the picture 360 points wide


def png_from_roc(curves: Sequence[RocCurve], areas: dict[str, float | None]) -> bytes:
    """All planes in one picture, the upper left corner enlarged in it; `areas`: label -> AUC."""
    columns = 1 if len(curves) < MANY else 2
    figure = new_figure(WIDTH, 5.5 + 0.15 * -(-len(curves) // columns))
    axes = figure.subplots()
    corner = axes.inset_axes((0.42, 0.08, 0.52, 0.52), xlim=(-0.005, CORNER), ylim=(1 - CORNER, 1.005))
    for number, curve in enumerate(curves):
        area = areas.get(curve.label)
        text = _name(curve.label) + ("" if area is None else f"  {area:.3f}")
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        for part in (axes, corner):
            part.plot(
                curve.false_positive, curve.true_positive, color=colour, linestyle=dash, linewidth=1.8, label=text
            )
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", label="guessing  0.500")
    _square(axes, "false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    corner.tick_params(labelsize=7)
    corner.grid(color="#dddddd", linewidth=0.5)
    axes.indicate_inset_zoom(corner, edgecolor=GREY)
    handles, names = axes.get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "handlelength": 4}
    figure.legend(handles, names, fontsize=8, title="plane, AUC", title_fontsize=8, **where)
    return png_from_figure(figure, DPI)


def png_from_calibration(calibration: Calibration) -> bytes:
    """Share that is right over the mean probability of a bin, with its interval by patient."""
    figure = new_figure(WIDTH, 5.2)
    axes = figure.subplots()
    x, y = (np.array([getattr(one, name) for one in calibration.bins]) for name in ("probability", "right"))
    ends = np.array([one.right_interval for one in calibration.bins])
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", label="perfectly calibrated")
    axes.vlines(x, ends[:, 0], ends[:, 1], color=COLOURS[0], linewidth=1.2, alpha=0.6)
    axes.plot(x, y, color=COLOURS[0], marker="o", label="share that is right, 95 % by patient")
    low = np.floor(10 * min(x.min(), ends.min())) / 10
    _square(axes, "probability of the answered plane", "share that is right", low)
    axes.legend(loc="upper left", fontsize=8)
    return png_from_figure(figure, DPI)


def png_from_coverage(curve: CoverageCurve, coverage: Coverage, threshold: float | None) -> bytes:
    """Accuracy of the accepted plane images, and refusals of what is no plane, over the share accepted."""
    figure = new_figure(WIDTH, 4.6)
    axes = figure.subplots()
    axes.plot(curve.accepted, curve.accuracy, color=COLOURS[0], linewidth=1.8, label="accuracy of the accepted")
    if curve.refused:
        text = f"share refused of {coverage.refused_n} images of no plane"
        axes.plot(curve.accepted, curve.refused, color=COLOURS[1], linewidth=1.8, linestyle="--", label=text)
    if threshold is not None and coverage.accepted:
        text = f"this bundle's threshold {threshold:.2f}"
        marks = [(coverage.accuracy_accepted, COLOURS[0]), (coverage.refused, COLOURS[1])]
        axes.axvline(coverage.accepted, color=GREY, linewidth=0.8, linestyle=":", label=text)
        for height, colour in marks:
            if height is not None:
                axes.plot(
                    [coverage.accepted], [height], color=colour, marker="D", markersize=8, markeredgecolor="white"
                )
    axes.set_xlim(0, 1.01)
    axes.set_ylim(min(0.5, *curve.accuracy, *curve.refused) - 0.02, 1.02)
    axes.set_xlabel("share of the plane images accepted")
    axes.set_ylabel("share")
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.legend(loc="lower left", fontsize=8)
    return png_from_figure(figure, DPI)


def png_from_embedding(embedding: Embedding, labels: Sequence[str], planes: Sequence[str]) -> bytes:
    """The map, a colour and a marker a plane; images of no plane as black crosses.

    Args:
        embedding: of the images.
        labels: theirs.
        planes: of the model.
    """
    others = sorted(set(labels) - set(planes))
    figure = new_figure(WIDTH, 5.0 + 0.1 * (len(planes) + len(others)))
    axes = figure.subplots()
    points, names = np.array(embedding.points), np.array(labels)
    for number, label in enumerate([*planes, *others]):
        rows = points[names == label]
        if len(rows):
            look = _plane_look(number) if label in planes else _other_look(number)
            axes.scatter(rows[:, 0], rows[:, 1], label=f"{_name(label)} ({len(rows)})", **look)
    axes.set_xticks([])
    axes.set_yticks([])
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return png_from_figure(figure, DPI)


def _plane_look(number: int) -> dict[str, Any]:
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    return {"c": colour, "marker": marker, "s": 28, "edgecolors": "white", "linewidths": 0.4}


def _other_look(number: int) -> dict[str, Any]:
    return {"c": "black", "marker": CROSSES[number % len(CROSSES)], "s": 44, "linewidths": 1.3, "alpha": 0.7}


def _square(axes: Axes, x: str, y: str, low: float = 0.0) -> None:
    axes.set_xlim(low - 0.01, 1.01)
    axes.set_ylim(low - 0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#dddddd", linewidth=0.5)


def _name(label: str) -> str:
    return label.replace("_", " ")
