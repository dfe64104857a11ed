"""A graph and batches of images -> the values of chosen tensors, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.graph import graph_from_model
from edge.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

Batches = Callable[[], Iterator[NDArray[np.float32]]]
Activations = dict[str, NDArray[np.float32]]


def activations_from_model(
    model: ModelProto, tensors: Iterable[str], batches: Batches, threads: int = 0
) -> Iterator[tuple[int, Activations]]:
    """Run a model and hand out tensors of its graph.

    Args:
        model: float or Q/DQ graph with one input.
        tensors: names of float tensors of the top-level graph.
        batches: called once; gives images (B,C,S,S). Cut and padded where the model's batch is fixed.
        threads: threads of one operator, 0 for one per core.

    Yields:
        For each batch, its number of images B, and tensor name -> values whose first axis holds B equal blocks of rows.

    Raises:
        ModelError: the graph cannot be run, or a value is not finite.
    """
    names = list(tensors)
    graph = graph_from_model(model)
    fixed = graph.shapes.get(graph.inputs[0], (None,))[0]
    run = open_run(_with_outputs(model, names), threads)
    for batch in batches():
        pieces = [run({graph.inputs[0]: piece}) for piece in _pieces(batch, fixed)]
        padded = len(pieces) * (fixed or len(batch))
        values = {}
        for name, *parts in zip(names, *pieces, strict=True):
            joined = np.concatenate(parts)
            values[name] = joined[: len(joined) * len(batch) // padded]
            if not np.isfinite(values[name]).all():
                raise ModelError(
                    f"Tensor {name} holds NaN or infinity.", "Check the weights and the calibration images."
                )
        yield len(batch), values


def open_run(model: ModelProto, threads: int = 0) -> Callable[[Activations], list[NDArray[np.float32]]]:
    """Load a model into ONNX Runtime on the CPU.

    Args:
        model: what to run.
        threads: threads of one operator, 0 for one per core.

    Returns:
        A function inputs by name -> all outputs.

    Raises:
        ModelError: the graph cannot be run (now, or when the function is called).
    """
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    failures = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.NotImplemented, state.RuntimeException)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3  # 3: errors only

    def failed(error: Exception) -> ModelError:
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        return ModelError(f"The graph cannot be run: {first_line}.", "Check its input size and its operators.")

    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise failed(error) from error

    def run(inputs: Activations) -> list[NDArray[np.float32]]:
        try:
            return session.run(None, inputs)  # type: ignore[no-any-return]
        except failures as error:
            raise failed(error) from error

    return run


def _pieces(batch: NDArray[np.float32], fixed: int | None) -> Iterator[NDArray[np.float32]]:
    """Cut a batch to the size that the model wants; its last image is repeated where some lack."""
    if fixed is None:
        yield batch
        return
    for start in range(0, len(batch), fixed):
        piece = batch[start : start + fixed]
        yield np.concatenate([piece, *[piece[-1:]] * (fixed - len(piece))])


def _with_outputs(model: ModelProto, names: list[str]) -> ModelProto:
    """The model with these tensors as its only outputs."""
    import onnx
    from onnx import helper

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    changed.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    return changed
