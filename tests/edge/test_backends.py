from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.backends.null import NullBackend
from edge.backends.ort import ort_from_model
from edge.errors import DeviceError


def model() -> bytes:
    """A classifier that only has logits: the mean of the frame, three times."""
    from onnx import TensorProto, helper, numpy_helper

    ones = numpy_helper.from_array(np.ones((1, 3), np.float32), "ones")
    nodes = [
        helper.make_node("GlobalAveragePool", ["frame"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "ones"], ["logits"]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "mean", [frame], [logits], [ones])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(made.SerializeToString())


def test_the_null_backend_answers_with_bands() -> None:
    frame = np.zeros((2, 1, 6, 4), np.float32)
    frame[1, :, 2:4] = 1
    backend = NullBackend(3)
    np.testing.assert_array_equal(backend.logits_from_input(frame), [[0, 0, 0], [0, 1, 0]])
    assert backend.features_from_input(frame).shape == (2, 1, 1, 3)


@pytest.mark.parametrize("spin", [False, True])
def test_onnx_runtime_takes_any_batch(spin: bool) -> None:
    backend = ort_from_model(model(), threads=1, spin=spin)
    for batch in (1, 3):
        np.testing.assert_allclose(backend.logits_from_input(np.ones((batch, 1, 8, 8), np.float32)), 1.0)
    backend.close()


@pytest.mark.parametrize("data", [b"", b"\x08\x09", b"not a model"])
def test_bytes_that_are_no_model_are_a_device_error(data: bytes) -> None:
    with pytest.raises(DeviceError, match="cannot load"):
        ort_from_model(data, threads=1, spin=False)


def test_an_input_of_the_wrong_shape_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match="could not compute 'logits'"):
        ort_from_model(model(), threads=1, spin=False).logits_from_input(np.ones((1, 1, 9, 9), np.float32))


def test_a_model_without_features_says_so() -> None:
    backend: Any = ort_from_model(model(), threads=1, spin=False)
    with pytest.raises(DeviceError, match="features"):
        backend.features_from_input(np.ones((1, 1, 8, 8), np.float32))
