"""Evaluation + attention maps -> one sheet: the six most certain right answers and the six most certain mistakes.

::

    evaluation --cases_from_evaluation--> 12 images --maps_from_session--> their maps --png_from_attention--> PNG

Every map is of the plane that the model named, not of the label: it shows what the answer rests on, right or wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Evaluation
from calibration.reports.canvas import drawable, new_figure, png_from_figure
from calibration.reports.figures import RIGHT, WRONG, credit_from_folder
from edge.attention import overlay_from_map
from edge.manifest import RESEARCH_USE
from edge.session import Session
from edge.sources.images import load_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CASES = 6  # of each kind: one a plane of the six-plane protocol


@dataclass(frozen=True)
class Cases:
    """Which images are shown, as numbers in the evaluation.

    Attributes:
        best: right, the most certain of each plane in turn.
        worst: mistakes, the most certain first.
    """

    best: tuple[int, ...]
    worst: tuple[int, ...]


def cases_from_evaluation(evaluation: Evaluation) -> Cases:
    """Choose by certainty alone.

    Right: the most probable plane is the label. A mistake: it is not; or the image shows no plane of the model and is
    accepted as one. The best come one a plane in turn, as else one easy plane could fill all places.
    """
    certainty = np.array([prediction.probability for prediction in evaluation.predictions])
    order = np.argsort(-certainty, kind="stable")
    right = evaluation.truth == evaluation.answers
    wrong = ~right & ((evaluation.truth >= 0) | evaluation.accepted)
    by_plane = [[int(i) for i in order if right[i] and evaluation.truth[i] == t] for t in np.unique(evaluation.truth)]
    turns = [(rank, -certainty[index], index) for group in by_plane for rank, index in enumerate(group)]
    best = tuple(index for _, _, index in sorted(turns)[:CASES])
    return Cases(best, tuple(int(i) for i in order if wrong[i])[:CASES])


def maps_from_session(session: Session, evaluation: Evaluation) -> dict[int, NDArray[np.float32]]:
    """The maps that the sheet needs, of the most probable plane of each image.

    Args:
        session: of the bundle that was evaluated.
        evaluation: of it.

    Returns:
        Number of the image -> (H,W), 0..1.

    Raises:
        UsageError: the bundle gives no attention maps.
        ImageError: an image cannot be read.
    """
    cases = cases_from_evaluation(evaluation)
    samples, predictions = evaluation.dataset.samples, evaluation.predictions
    return {
        index: session.attention(load_image(evaluation.dataset.path(samples[index])), predictions[index].plane)
        for index in (*cases.best, *cases.worst)
    }


def png_from_attention(evaluation: Evaluation, maps: Mapping[int, NDArray[np.float32]]) -> bytes:
    """The sheet: frames, and below each the same frame under its map.

    Args:
        evaluation: of one bundle.
        maps: number of the image -> (H,W), 0..1, for all cases of `cases_from_evaluation`.
    """
    figure = new_figure(2.3 * CASES, 8.6)
    figure.suptitle(_heading(evaluation), fontsize=8)
    cases = cases_from_evaluation(evaluation)
    titles = (
        f"Right, the most certain of each plane in turn: {len(cases.best)} shown",
        f"Mistakes, the most certain first: {len(cases.worst)} shown",
    )
    parts = figure.subfigures(2, 1, squeeze=False)[:, 0]
    for part, title, chosen, colour in zip(parts, titles, (cases.best, cases.worst), (RIGHT, WRONG), strict=True):
        part.suptitle(title, fontsize=9, color=colour)
        panels = part.subplots(2, CASES)
        for axes in panels.ravel():
            axes.axis("off")
        for column, index in enumerate(chosen):
            _show(panels[0][column], panels[1][column], evaluation, index, maps[index], colour)
    return png_from_figure(figure)


def _show(
    above: Axes, below: Axes, evaluation: Evaluation, index: int, attention: NDArray[np.float32], colour: str
) -> None:
    sample, prediction = evaluation.dataset.samples[index], evaluation.predictions[index]
    frame = load_image(evaluation.dataset.path(sample))
    above.imshow(frame, cmap="gray", vmin=0, vmax=255)
    below.imshow(overlay_from_map(frame, attention))
    plane = f"named: {prediction.plane.replace('_', ' ')} {prediction.probability:.2f}"
    refused = "" if prediction.accepted else f"\n(answer: {prediction.answer.replace('_', ' ')})"
    above.set_title(f"label: {sample.label.replace('_', ' ')}\n{plane}{refused}", fontsize=7, color=colour)


def _heading(evaluation: Evaluation) -> str:
    legend = (
        "Grad-CAM of the most probable plane on the network's last map; violet to orange: rising to the map's maximum."
    )
    warnings = (evaluation.manifest.watermark or "", RESEARCH_USE.en, credit_from_folder(evaluation.dataset.root))
    lines = (f"{evaluation.name}. {legend}", *warnings)
    return "\n".join(line for line in map(drawable, lines) if line)
