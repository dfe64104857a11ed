"""Each fused operator of the library against its own local function: the same file with and without the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from calibration.artifact import Artifact
from compile.fused_functions import fused_function
from compile.onnx_function import DOMAIN, IR_VERSION, OPSET

FLOAT, UINT8 = 1, 2  # onnx.TensorProto
C = 21  # no whole number of registers
NORM = {"epsilon": 1e-5}
CONV = {"strides": [2, 2], "pads": [1, 1, 1, 1]}


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def codes(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def grid(scale: float, zero: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    return np.array(scale, np.float32), np.array(zero, np.uint8)


# operator -> (its inputs, how many of them are maps, how many results, attributes); the maps' first axis is the batch
CASES: Mapping[str, tuple[Sequence[NDArray[np.generic]], Sequence[int], int, Mapping[str, object]]] = {
    "LayerNormQuantize": ((normal(2, 5, 3, C), normal(C), normal(C), *grid(0.03, 128)), (0,), 1, NORM),
    "AddLayerNormQuantize": (
        (normal(2, 5, 3, C), normal(30, C, seed=1), normal(C), normal(C), *grid(0.03, 128)),
        (0, 1),
        2,
        NORM,
    ),
    "GeluQuantize": ((3 * normal(30, C), *grid(0.02, 9)), (0,), 1, {}),
    "SiluQuantize": ((codes(2, 5, 3, C), *grid(0.05, 128), *grid(0.03, 11)), (0,), 2, {}),
    "AddQuantize2": (
        (codes(2, 5, 3, C), *grid(0.0503, 128), codes(2, 5, 3, C, seed=1), *grid(0.0217, 0), *grid(0.0411, 120)),
        (0, 3),
        1,
        {},
    ),
    "AddQuantize3": (
        (*(x for i in range(3) for x in (codes(2, 5, 3, C, seed=i), *grid(0.0213 * (i + 1), 128))), *grid(0.0711, 128)),
        (0, 3, 6),
        1,
        {},
    ),
    "ConvReluQuantize": ((normal(2, 1, 30, 26), normal(C, 1, 3, 3), normal(C), *grid(0.03, 0)), (0,), 1, CONV),
}


def session(
    name: str, library: Artifact | None, inputs: Sequence[NDArray[np.generic]], maps: Sequence[int]
) -> ort.InferenceSession:
    _, _, results, attributes = CASES[name]
    names, outputs = [f"in{i}" for i in range(len(inputs))], [f"out{i}" for i in range(results)]
    node = helper.make_node(name, names, outputs, domain=DOMAIN, **attributes)
    kinds = {i: FLOAT if inputs[i].dtype == np.float32 else UINT8 for i in maps}
    types = [FLOAT if results == 2 and i == 0 else UINT8 for i in range(results)]
    graph = helper.make_graph(
        [node],
        name,
        [helper.make_tensor_value_info(names[i], kinds[i], ["n", *inputs[i].shape[1:]]) for i in maps],
        [helper.make_tensor_value_info(o, t, None) for o, t in zip(outputs, types, strict=True)],
        [numpy_helper.from_array(inputs[i], names[i]) for i in range(len(inputs)) if i not in maps],
    )
    model = helper.make_model(
        graph,
        functions=[fused_function(name, OPSET)],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        ir_version=IR_VERSION,
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 3
    if library:
        options.register_custom_ops_library(str(library.path))
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def results(name: str, library: Artifact | None, inputs: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    maps = CASES[name][1]
    return session(name, library, inputs, maps).run(None, {f"in{i}": inputs[i] for i in maps})  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("times", [0, 1, 600], ids=["no image", "two images", "on two threads"])
def test_operator_is_its_function_up_to_one_step(library: Artifact, name: str, times: int) -> None:
    inputs = [
        np.tile(x, (times, *[1] * (x.ndim - 1))) if i in CASES[name][1] else x for i, x in enumerate(CASES[name][0])
    ]
    for got, expected in zip(results(name, library, inputs), results(name, None, inputs), strict=True):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        if got.dtype == np.float32:
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
        else:
            different = np.abs(got.astype(int) - expected)
            assert different.max(initial=0) <= 1
            assert different.sum() <= 0.002 * different.size


def test_nan_becomes_code_0_and_stays_in_the_sum(library: Artifact) -> None:
    inputs = list(CASES["AddLayerNormQuantize"][0])
    inputs[0] = inputs[0].copy()
    inputs[0][0, 0, 0, 0] = np.nan
    total, rows = results("AddLayerNormQuantize", library, inputs)
    assert np.isnan(total[0, 0, 0, 0])
    assert not rows[0].any()
    assert rows[1].any()


@pytest.mark.parametrize(
    ("name", "index", "value", "text"),
    [
        ("GeluQuantize", 1, np.array(0, np.float32), "scale"),
        ("GeluQuantize", 1, np.ones(3, np.float32), "one number"),
        ("LayerNormQuantize", 1, normal(C + 1), "one size"),
        ("LayerNormQuantize", 0, normal(2, 5, 3, C + 1), "channels"),
        ("AddLayerNormQuantize", 1, normal(29, C), "sizes"),
        ("AddQuantize2", 3, codes(2, 5, 4, C), "sizes"),
        ("ConvReluQuantize", 1, normal(200, 1, 3, 3), "fit"),
        ("ConvReluQuantize", 0, normal(2, 1, 1, 0), "smaller"),
    ],
)
def test_what_does_not_fit_is_an_error_and_no_crash(
    library: Artifact, name: str, index: int, value: NDArray[np.generic], text: str
) -> None:
    inputs = [value if i == index else x for i, x in enumerate(CASES[name][0])]
    with pytest.raises(Exception, match=text):  # ORT's exceptions share no base
        results(name, library, inputs)


def test_weights_that_are_no_constants_are_refused(library: Artifact) -> None:
    inputs = CASES["LayerNormQuantize"][0]
    with pytest.raises(Exception, match="constants"):  # ORT's exceptions share no base
        session("LayerNormQuantize", library, inputs, (0, 1))
