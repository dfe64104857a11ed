"""Float ONNX -> its head W, b, if logits = mean over the pixels of `features`, times W', plus b: what Grad-CAM needs.

::

    frame -> ... -> features (B,h,w,D) -> the rest of the graph -> logits
                                          `- cut out and asked: a map of zeros gives b,
                                             a map of ones in channel d gives b + W[:,d]

How the exporter wrote the head (Gemm, a norm before it, the mean of two heads) does not matter. Whether it is linear is
measured: W and b must give the model's own logits on real images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.graph import Graph, attribute, drop_unused_constants, graph_from_model, load_model, replace_all
from calibration.inputs import batches_from_squares
from compile.bundle import bytes_from_array
from compile.export import FEATURES, LOGITS
from edge.attention import HEAD_PART, Head, array_from_head
from edge.backends.ort import ort_from_model
from edge.errors import DeviceError
from edge.preprocess import Preprocess

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = (
    1e-4  # of the logits' root mean square: sums in another order differ by 1e-6, heads with a norm or ReLU by > 0.01
)
CHECK_IMAGES = 8  # real images that the head is checked on
PROBE_BYTES = 64 << 20  # of the maps that are asked at once


@dataclass(frozen=True)
class Cut:
    """Where the head begins.

    Attributes:
        tensor: that the head reads.
        perm: axes of `features` in its order; None where it is `features` itself.
    """

    tensor: str
    perm: tuple[int, ...] | None


def parts_from_head(
    path: Path, squares: NDArray[np.uint8], preprocess: Preprocess, threads: int
) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
    """The bundle's part with the head, and what the user should know.

    Args:
        path: float ONNX with the output `logits`.
        squares: (M,S,S), some images, not necessarily labelled.
        preprocess: of the model.
        threads: of ONNX Runtime.
    """
    head = head_from_onnx(path, squares, preprocess, threads)
    if head is None:
        return {}, ("The model has no linear head behind a mean of its last map: no attention maps.",)
    return {HEAD_PART: bytes_from_array(array_from_head(head))}, ()


def head_from_onnx(path: Path, squares: NDArray[np.uint8], preprocess: Preprocess, threads: int) -> Head | None:
    """The linear head of a model, None where it has no such head.

    Args:
        path: float ONNX with the output `logits`.
        squares: (M,S,S), some images.
        preprocess: of the model.
        threads: of ONNX Runtime.
    """
    model = load_model(path)
    graph = graph_from_model(model)
    sides = graph.shapes.get(FEATURES, ())
    cut = _cut(graph)
    if cut is None or len(sides) != 4 or None in sides[1:]:
        return None
    batch, *shape = (side or 0 for side in sides)
    try:
        head = _probed(_head_model(model, graph, cut), (shape[0], shape[1], shape[2]), batch, threads)
    except DeviceError:  # somebody's graph that does not run without what stands before it
        return None
    chosen = squares[np.unique(np.linspace(0, len(squares) - 1, CHECK_IMAGES).round().astype(int))]
    return head if _error(head, path, chosen, preprocess, batch, threads) <= TOLERANCE else None


def _cut(graph: Graph) -> Cut | None:
    """The one tensor through which everything reaches the logits: `features`, or what it is a transposed form of."""
    if FEATURES not in graph.outputs:
        return None
    cuts = {FEATURES: Cut(FEATURES, None)}
    source = graph.producers.get(FEATURES)
    if source is not None and source.op_type == "Transpose":
        inverse = np.argsort(attribute(source, "perm"))
        cuts[source.input[0]] = Cut(source.input[0], tuple(int(axis) for axis in inverse))
    reached, waiting, seen = set(), [LOGITS], set()
    while waiting:
        name = waiting.pop()
        if name in cuts or name in graph.inputs:
            reached.add(name)
        elif name in graph.producers and name not in seen:
            seen.add(name)
            waiting += graph.producers[name].input
    return cuts.get(reached.pop()) if len(reached) == 1 else None


def _head_model(model: ModelProto, graph: Graph, cut: Cut) -> bytes:
    """The graph behind the cut, as a model from `features` to `logits`."""
    from onnx import ModelProto, TensorProto, helper

    wanted, nodes = {LOGITS}, []
    for node in reversed(model.graph.node):
        if wanted & set(node.output) and not {cut.tensor, FEATURES} & set(node.output):
            nodes.append(node)
            wanted |= set(node.input)
    if cut.perm is not None:
        nodes.append(helper.make_node("Transpose", [FEATURES], [cut.tensor], perm=cut.perm))
    head = ModelProto()
    head.CopyFrom(model)
    replace_all(head.graph.node, reversed(nodes))
    sides = ["batch", *graph.shapes[FEATURES][1:]]
    replace_all(head.graph.input, [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, sides)])
    replace_all(head.graph.output, [value for value in model.graph.output if value.name == LOGITS])
    replace_all(head.graph.value_info, [])
    drop_unused_constants(head)
    return bytes(head.SerializeToString())


def _probed(head_model: bytes, shape: tuple[int, int, int], batch: int, threads: int) -> Head:
    """Ask for the bias and each column of the weights; `batch` is the fixed one of the model, 0 where there is none."""
    depth = shape[2]
    count = batch or max(1, PROBE_BYTES // (4 * int(np.prod(shape))))
    backend = ort_from_model(head_model, threads, spin=False)
    try:
        rows = []
        for start in range(0, depth + 1, count):
            maps = np.zeros((count, *shape), np.float32)
            for index, channel in enumerate(range(start, min(start + count, depth))):
                maps[index, :, :, channel] = 1
            rows.append(backend.logits_from_input(maps))
    finally:
        backend.close()
    answers = np.concatenate(rows)[: depth + 1]
    return Head(np.ascontiguousarray((answers[:depth] - answers[depth]).T), answers[depth])


def _error(
    head: Head, path: Path, squares: NDArray[np.uint8], preprocess: Preprocess, batch: int, threads: int
) -> float:
    """Largest difference from the model's own logits, in units of their root mean square."""
    backend = ort_from_model(path.read_bytes(), threads, spin=False)
    try:
        inputs = list(batches_from_squares(squares, preprocess, batch or 1))
        features = np.concatenate([backend.features_from_input(x) for x in inputs])
        logits = np.concatenate([backend.logits_from_input(x) for x in inputs])
    finally:
        backend.close()
    scale = max(float(np.sqrt(np.mean(np.square(logits)))), float(np.finfo(np.float32).tiny))
    return float(np.abs(head.logits_from_features(features) - logits).max()) / scale
