"""A graph and calibration images -> the table of activation ranges: JSON, for any device, usable again.

::

    batches --activations--> one streamed histogram a tensor --+--> a range by each method --> the one with the least
                        `--> a few images' values -------------+    error in the outputs of the layers that read it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact, artifact_from_file
from calibration.graph import Graph, graph_from_model, load_model
from calibration.layers import Layer, int8_layers, integer_result
from calibration.observers import METHODS, Histogram, empty_histogram, updated
from calibration.output_error import best_range, output_errors
from edge.errors import InputError, ModelError, UsageError
from edge.files import write_atomic

SCHEMA = 1
SAMPLE_IMAGES = 4  # images whose activations are kept for the output error: enough rows, 20 MB each for a student
AUTO = "auto"
# Order of trust where the output error does not decide: entropy for convolutions (few outliers), a high percentile for
# what the scan, SiLU and GELU make (heavy tails).
PREFERRED = {
    "Conv": ("entropy", "percentile_99.999", "mse", "percentile_99.99", "minmax"),
    "linear": ("percentile_99.999", "percentile_99.99", "mse", "minmax", "entropy"),
}


@dataclass(frozen=True)
class Range:
    """Range of one tensor.

    Attributes:
        amax: int8 steps cover [-amax, amax].
        method: what chose it.
        images: how many images were seen.
        error: error / signal of the worst layer that reads the tensor, on a few images; 0 where no INT8 layer reads it.
    """

    amax: float
    method: str
    images: int
    error: float


@dataclass(frozen=True)
class Table:
    """Ranges of one graph.

    Attributes:
        model: sha256 of the ONNX file they were measured on.
        dataset: digest of the calibration images.
        ranges: tensor name -> range.
    """

    model: str
    dataset: str
    ranges: Mapping[str, Range]


def table_from_onnx(
    model: Artifact,
    batches: Batches,
    path: Path,
    dataset: str,
    method: str = AUTO,
    threads: int = 0,
    progress: Callable[[str, float], None] | None = None,
    expected_images: int = 0,
) -> Artifact:
    """Measure the ranges of every activation that INT8 needs.

    Args:
        model: float ONNX, smoothed or not.
        batches: gives the calibration images, (B,C,S,S).
        path: the JSON file to write.
        dataset: digest of these images.
        method: "auto", or one of `METHODS` for every tensor.
        threads: threads of one operator, 0 for one per core.
        progress: called with a text and the fraction done.
        expected_images: how many images `batches` gives, for the progress; 0 if unknown.

    Returns:
        The table.

    Raises:
        UsageError: no such method, or no image.
        ModelError: the graph cannot be run, has no layer for INT8, or a weight or activation is not finite.
        MachineError: the file cannot be written.
    """
    if method != AUTO and method not in METHODS:
        raise UsageError(f"No calibration method is called {method!r}.", f"Use one of {', '.join((AUTO, *METHODS))}.")
    graph = graph_from_model(load_model(model.path))
    readers = _readers(graph)
    if not readers:
        raise ModelError("The graph has no layer that INT8 could serve.", "Compile it with --precision fp32 or fp16.")
    images, seen = 0, {name: _Seen(empty_histogram(), []) for name in readers}
    for batch, values in activations_from_model(graph.model, readers, batches, threads):
        images += batch
        for name, value in values.items():
            seen[name].count(value, batch, images, keep=bool(readers[name]))
        if progress:
            progress("calibrate", min(1.0, images / max(expected_images, images)))
    if not images:
        raise UsageError("No calibration image was given.", "Give some images of the train split.")
    ranges = {name: _range(layers, graph, seen.pop(name), images, method, threads) for name, layers in readers.items()}
    write_atomic(path, json_from_table(Table(model.sha256, dataset, ranges)).encode())
    return artifact_from_file(path, {"model": model.sha256, "dataset": dataset})


def json_from_table(table: Table) -> str:
    """Canonical JSON of a table."""
    return json.dumps({"schema": SCHEMA, **asdict(table)}, sort_keys=True, indent=1) + "\n"


def table_from_json(text: str) -> Table:
    """Read a table back.

    Raises:
        InputError: not JSON, another schema, a field is missing or of the wrong kind, or a range is not positive.
    """
    cure = "Calibrate again."
    try:
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("schema") != SCHEMA:
            raise InputError("The calibration table has another schema than this version reads.", cure)
        ranges = {str(name): Range(**values) for name, values in raw.pop("ranges").items()}
        table = Table(**raw, ranges=ranges)
        if not all(np.isfinite(r.amax) and r.amax > 0 for r in ranges.values()):
            raise InputError("The calibration table holds a range that is not positive and finite.", cure)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"The calibration table cannot be read: {error}.", cure) from error
    return table


def load_table(path: Path) -> Table:
    """Read a table's file.

    Raises:
        InputError: not a table.
    """
    try:
        return table_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Give the table.json of a compilation.") from error


@dataclass
class _Seen:
    """What is known of one tensor while batches go by."""

    histogram: Histogram
    sample: list[NDArray[np.float32]]

    def count(self, value: NDArray[np.float32], batch: int, images: int, keep: bool) -> None:
        self.histogram = updated(self.histogram, value)
        missing = SAMPLE_IMAGES - (images - batch)
        if keep and missing > 0:
            self.sample.append(value[: len(value) * min(missing, batch) // batch].copy())


def _readers(graph: Graph) -> dict[str, list[Layer]]:
    """Each tensor that INT8 needs a range of -> the INT8 layers that read it (none: a layer's result)."""
    readers: dict[str, list[Layer]] = {}
    for layer in int8_layers(graph):
        readers.setdefault(layer.input, []).append(layer)
        if (result := integer_result(layer.node, graph)) is not None:
            readers.setdefault(result, [])
    return readers


def _range(layers: list[Layer], graph: Graph, seen: _Seen, images: int, method: str, threads: int) -> Range:
    """The range of one tensor: by the method asked for, or by output error; by its own error if no layer reads it."""
    if method == AUTO and not layers:
        method = "mse"
    ranges = {name: METHODS[name](seen.histogram) for name in (METHODS if method == AUTO else (method,))}
    if not layers:
        return Range(ranges[method], method, images, 0.0)
    sample = np.concatenate(seen.sample)
    errors = [output_errors(layer, graph, sample, ranges, threads) for layer in layers]
    kind = "Conv" if layers[0].node.op_type == "Conv" else "linear"
    chosen = best_range(errors, PREFERRED[kind]) if method == AUTO else method
    return Range(ranges[chosen], chosen, images, max(error[chosen] for error in errors))
