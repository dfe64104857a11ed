"""Evaluations -> pictures of answers, as PNG bytes; curves are drawn in calibration/reports/charts.py."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibration.evaluate import Evaluation
from calibration.reports.canvas import drawable, new_figure, png_from_figure
from calibration.reports.markup import share_within
from calibration.reports.tables import spread_over_labels
from edge.manifest import RESEARCH_USE
from edge.prediction import NOT_COVERED, NOT_STANDARD, Prediction
from edge.preprocess import gray_from_frame
from edge.sources.images import load_image

THUMBNAIL_PX = 240  # twice the width of a tile on the page; a gallery of 24 then takes about 1 MB
COLUMNS = 6
ROWS = 4
RIGHT, WRONG, REFUSED = "#1b7837", "#b2182b", "#555555"  # told apart by the colour-blind, and by the text beside them


def png_from_confusions(evaluations: Sequence[Evaluation]) -> bytes:
    """One confusion matrix a bundle, counts and shares of the row."""
    figure = new_figure(6.2 * len(evaluations), 5.4)
    for axes, evaluation in zip(figure.subplots(1, len(evaluations), squeeze=False)[0], evaluations, strict=True):
        counts = np.array(evaluation.scores.confusion)
        rows = np.flatnonzero(counts.sum(1))
        shares = counts[rows] / counts[rows].sum(1, keepdims=True)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts[rows]):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=9)
        names = [label.replace("_", " ") for label in evaluation.labels]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
        axes.set_yticks(range(len(rows)), [names[row] for row in rows], fontsize=8)
        axes.set_xlabel("most probable plane")
        axes.set_ylabel("label")
        within = share_within(evaluation.scores.macro_f1, evaluation.intervals["macro_f1"])
        axes.set_title(f"{drawable(evaluation.name)}: macro-F1 {within}", fontsize=10)
    return png_from_figure(figure)


def png_from_answers(evaluation: Evaluation) -> bytes:
    """A sheet of single images with label, answer and probability; chosen without regard to the answers."""
    chosen = spread_over_labels(evaluation, ROWS * COLUMNS)
    rows = -(-len(chosen) // COLUMNS)
    figure = new_figure(2.15 * COLUMNS, 2.2 * rows + 0.6)
    credit = drawable(credit_from_folder(evaluation.dataset.root))
    figure.suptitle(f"{drawable(evaluation.name)}. {RESEARCH_USE.en}\n{credit}", fontsize=8)
    panels = figure.subplots(rows, COLUMNS).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, index in zip(panels, chosen, strict=False):
        sample, prediction = evaluation.dataset.samples[index], evaluation.predictions[index]
        axes.imshow(load_image(evaluation.dataset.path(sample)), cmap="gray", vmin=0, vmax=255)
        colour = REFUSED if not prediction.accepted else RIGHT if prediction.answer == sample.label else WRONG
        axes.set_title(_caption(prediction), fontsize=7, color=colour)
        axes.text(
            0.5,
            -0.03,
            f"label: {sample.label.replace('_', ' ')}",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=6,
        )
    return png_from_figure(figure)


def png_from_thumbnail(path: Path) -> bytes:
    """One image, gray, at most THUMBNAIL_PX wide and high."""
    from PIL import Image

    small = Image.fromarray(gray_from_frame(load_image(path)))
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    stream = io.BytesIO()
    small.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def credit_from_folder(folder: Path) -> str:
    """The first words of a data set's ATTRIBUTION.md, a line: whose images these are; empty without any.

    A letter that is no UTF-8 is shown as such: better a name with a hole than no credit, or no report.
    """
    path = folder / "ATTRIBUTION.md"
    lines = path.read_text("utf-8-sig", errors="replace").splitlines() if path.is_file() else []
    return next((line for line in (line.lstrip("# ") for line in lines) if line), "")


def _caption(prediction: Prediction) -> str:
    plane = f"{prediction.plane.replace('_', ' ')} {prediction.probability:.2f}"
    refusals = {NOT_STANDARD: "not a standard plane", NOT_COVERED: "not covered by this model"}
    return plane if prediction.accepted else f"{refusals[prediction.answer]}\n(most probable: {plane})"
