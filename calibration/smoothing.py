"""SmoothQuant: the spread between channels moves from activations, where int8 has one scale, into weights.

::

    LayerNormalization (gain, shift) --> linear W      =      LayerNormalization (gain / s, shift / s) --> linear s W

    s_j = amax(x_j)^alpha / amax(W_j)^(1 - alpha)

The function stays the same but for float rounding. alpha is chosen for each LayerNormalization by the INT8 error of the
layers that read it; no change is among the candidates.

Source: Xiao et al., SmoothQuant, arXiv 2211.10438, equation 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact
from calibration.graph import Graph, constant, drop_unused_constants, graph_from_model, load_model, save_model
from calibration.layers import Layer, check_float, int8_layers
from calibration.output_error import rounded
from calibration.weights import int8_from_weights, weights_from_int8
from edge.errors import UsageError

if TYPE_CHECKING:
    from onnx import NodeProto

ALPHAS = (0.5, 0.55, 0.6, 0.65)  # the range in which the paper's models, and the visual Mambas, do best
SAMPLE_ROWS = 64  # tokens kept of each batch for the choice of alpha
STRENGTH_LIMITS = (1e-2, 1e2)  # of s: keeps a dead channel from blowing up the gain of a LayerNormalization
SMALLEST = 1e-5  # of an amax, against division by zero


@dataclass(frozen=True)
class _Site:
    """A LayerNormalization whose result only INT8 linear layers read."""

    norm: NodeProto
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class _Tokens:
    """Largest magnitude of each channel (channels,), and some tokens (rows, channels)."""

    amax: NDArray[np.float32]
    rows: NDArray[np.float32]


def smoothed_from_onnx(
    model: Artifact,
    batches: Batches,
    path: Path,
    alphas: Sequence[float] = ALPHAS,
    threads: int = 0,
    progress: Callable[[str, float], None] | None = None,
    expected_images: int = 0,
) -> Artifact:
    """Fold SmoothQuant's scales into a graph.

    Args:
        model: float ONNX.
        batches: gives calibration images, (B,C,S,S).
        path: the ONNX file to write; the model itself where nothing can be smoothed.
        alphas: candidates, 0..1 each.
        threads: threads of one operator, 0 for one per core.
        progress: called with a text and the fraction done.
        expected_images: how many images `batches` gives, for the progress; 0 if unknown.

    Returns:
        A float ONNX file of the same function.

    Raises:
        UsageError: no image was given.
        ModelError: the graph cannot be run, is quantized, or holds a weight or activation that is not finite.
        MachineError: the file cannot be written.
    """
    graph = graph_from_model(load_model(model.path))
    check_float(graph)
    sites = _sites(graph)
    seen = _seen(graph, sites, batches, threads, progress, expected_images) if sites else {}
    for site in sites:
        _fold(site, graph, _strengths(site, graph, seen[site.norm.output[0]], alphas))
    drop_unused_constants(graph.model)
    return save_model(graph.model, path, {"model": model.sha256})


def _seen(
    graph: Graph,
    sites: list[_Site],
    batches: Batches,
    threads: int,
    progress: Callable[[str, float], None] | None,
    expected_images: int,
) -> dict[str, _Tokens]:
    """What each LayerNormalization puts out over all images."""
    seen: dict[str, _Tokens] = {}
    images = 0
    for batch, values in activations_from_model(graph.model, [s.norm.output[0] for s in sites], batches, threads):
        images += batch
        for name, value in values.items():
            tokens = value.reshape(-1, value.shape[-1])
            amax = np.abs(tokens).max(axis=0)
            before = seen.get(name, _Tokens(amax, tokens[:0]))
            rows = np.concatenate([before.rows, tokens[:: max(1, len(tokens) // SAMPLE_ROWS)]])
            seen[name] = _Tokens(np.maximum(before.amax, amax), rows)
        if progress:
            progress("smooth", min(1.0, images / max(expected_images, images)))
    if not images:
        raise UsageError("No calibration image was given.", "Give some images of the train split.")
    return seen


def _sites(graph: Graph) -> list[_Site]:
    layers = {layer.output: layer for layer in int8_layers(graph) if layer.node.op_type != "Conv"}
    sites = []
    for node in graph.model.graph.node:
        if node.op_type == "LayerNormalization" and all(name in graph.constants for name in node.input[1:]):
            readers = _linear_readers(node.output[0], graph, layers)
            if readers:
                sites.append(_Site(node, readers))
    return sites


def _linear_readers(name: str, graph: Graph, layers: dict[str, Layer]) -> tuple[Layer, ...]:
    """The INT8 linear layers that read a tensor, also through Reshapes of rows; empty if anything else reads it."""
    found: list[Layer] = []
    if name in graph.outputs:
        return ()
    for node in graph.consumers.get(name, []):
        if node.op_type == "Reshape" and _keeps_last_axis(node, graph):
            behind = _linear_readers(node.output[0], graph, layers)
            if not behind:
                return ()
            found += behind
        elif node.output[0] in layers and node.input[0] == name:
            found.append(layers[node.output[0]])
        else:
            return ()
    return tuple(found)


def _keeps_last_axis(node: NodeProto, graph: Graph) -> bool:
    shape = graph.shapes.get(node.input[0])
    if not shape or shape[-1] is None or node.input[1] not in graph.constants:
        return False
    return int(graph.array(node.input[1])[-1]) == shape[-1]


def _strengths(site: _Site, graph: Graph, seen: _Tokens, alphas: Sequence[float]) -> NDArray[np.float32]:
    """s of the alpha with the least INT8 error, (channels,)."""
    weights = [_channels_first(layer, graph.array(layer.weight)) for layer in site.layers]
    weight_amax = np.maximum(np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0), SMALLEST)
    candidates = [np.ones_like(seen.amax)]
    for alpha in alphas:
        strength = np.maximum(seen.amax, SMALLEST) ** alpha / weight_amax ** (1 - alpha)
        candidates.append(np.clip(strength, *STRENGTH_LIMITS).astype(np.float32))
    errors = [_int8_error(weights, seen, strength) for strength in candidates]
    return candidates[int(np.argmin(errors))]


def _int8_error(weights: list[NDArray[np.float32]], seen: _Tokens, strength: NDArray[np.float32]) -> float:
    """Mean square of what INT8 changes in x W for all the layers, each relative to its output."""
    total = 0.0
    coarse = rounded(seen.rows / strength, max(float((seen.amax / strength).max()), SMALLEST))
    for weight in weights:
        expected = seen.rows @ weight
        scaled = weights_from_int8(*int8_from_weights(weight * strength[:, None], 1, "of a linear layer"), 1)
        total += float(np.square(coarse @ scaled - expected).mean() / max(float(expected.var()), SMALLEST**2))
    return total


def _fold(site: _Site, graph: Graph, strength: NDArray[np.float32]) -> None:
    """Write s into one LayerNormalization and the layers behind it, under new names: weights may be shared."""
    output = site.norm.output[0]
    for index, name in enumerate(site.norm.input[1:], start=1):
        values = (graph.array(name) / strength).astype(np.float32)
        site.norm.input[index] = constant(graph.model, f"{output}_smooth_{index}", values)
    for layer in site.layers:
        smooth = _channels_first(layer, graph.array(layer.weight)) * strength[:, None]
        values = smooth if layer.axis == 1 else smooth.T
        layer.node.input[1] = constant(graph.model, f"{layer.output}_smooth_weight", values.astype(np.float32))


def _channels_first(layer: Layer, weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """A linear layer's weights as (inputs, outputs)."""
    return weight if layer.axis == 1 else weight.T
