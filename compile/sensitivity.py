"""Which few layers should stay float: those whose return to float brings the logits nearest to the float model's.

::

    table's errors --> the layers that suffer most --each alone back to float--> logits --> those that gain enough
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact
from calibration.graph import graph_from_model, load_model
from calibration.layers import int8_layers
from calibration.table import Table, load_table
from compile.export import LOGITS
from compile.quantize import quantize

MAX_FLOAT_LAYERS = 3  # more than three float layers cost what INT8 was to save
SHORTLIST = 6  # layers that are tried: each costs one run over the images
MIN_GAIN = 0.1  # share of the logits' error that a layer must remove to be worth its time in float
IMAGES = 16  # enough for a ranking; the gate judges the result


def sensitive_layers(
    smooth: Artifact,
    table: Artifact,
    batches: Batches,
    limit: int = MAX_FLOAT_LAYERS,
    threads: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[str, ...]:
    """Choose the layers that `qdq_from_onnx` shall leave float.

    Args:
        smooth: float ONNX.
        table: ranges of its activations, measured by output error.
        batches: gives calibration images, (B,C,S,S); the first 16 are used.
        limit: at most so many layers.
        threads: threads of one operator, 0 for one per core.
        progress: called with a text and the fraction done.

    Returns:
        Names of layers, the most sensitive first; none where no layer alone removes a tenth of the error.

    Raises:
        InputError: the table lacks a tensor.
        ModelError: the graph cannot be read or run.
    """
    ranges = load_table(table.path)
    graph = graph_from_model(load_model(smooth.path))
    layers = sorted(
        (layer for layer in int8_layers(graph) if layer.input in ranges.ranges),
        key=lambda layer: -ranges.ranges[layer.input].error,
    )[:SHORTLIST]
    images = _first_images(batches)
    expected = _logits(smooth, None, (), images, threads)
    whole = _error(expected, _logits(smooth, ranges, (), images, threads))
    gains: dict[str, float] = {}
    for done, layer in enumerate(layers, start=1):
        left = _error(expected, _logits(smooth, ranges, (layer.name,), images, threads))
        gains[layer.name] = 1 - left / whole if whole else 0.0
        if progress:
            progress("sensitivity", done / len(layers))
    ranked = sorted(gains, key=lambda name: -gains[name])
    return tuple(name for name in ranked if gains[name] >= MIN_GAIN)[:limit]


def _first_images(batches: Batches) -> Batches:
    kept, images = [], 0
    for batch in batches():
        kept.append(batch[: IMAGES - images])
        images += len(kept[-1])
        if images >= IMAGES:
            break
    return lambda: iter(kept)


def _logits(
    smooth: Artifact, table: Table | None, float_layers: Collection[str], batches: Batches, threads: int
) -> NDArray[np.float32]:
    model = load_model(smooth.path)
    if table is not None:
        quantize(model, table, float_layers)
    return np.concatenate([values[LOGITS] for _, values in activations_from_model(model, [LOGITS], batches, threads)])


def _error(expected: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    return float(np.square(got - expected).mean())
