"""The head that attention maps are made with: found in any linear form, refused in any other, equal to Grad-CAM."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper, parser
from torch import nn

from calibration.graph import save_model
from compile.export import onnx_from_student
from compile.head import head_from_onnx, parts_from_head
from compile.model.spec import ModelSpec
from compile.model.vmamba import VMamba, VMambaShape
from edge.attention import HEAD_PART, map_from_features
from edge.backends.ort import ort_from_model
from edge.keyring import Keyring
from edge.preprocess import Preprocess, input_from_frame
from edge.session import open_session
from tests.compile.conftest import SIZE_PX, Tiny, randomized
from tests.conftest import Made, striped

PREPROCESS = Preprocess(size_px=32)
START = """
<ir_version: 9, opset_import: ["" : 20]>
toy (float[batch, 1, 32, 32] frame) => (float[batch, 3] logits, float[batch, 4, 4, 5] features)
{
  maps = Conv <strides = [8, 8]> (frame, conv_w)
  features = Transpose <perm = [0, 2, 3, 1]> (maps)
"""
POOLED = "pooled = GlobalAveragePool (maps)\n flat = Flatten (pooled)\n"
LINEAR = {
    "mean of the features": "flat = ReduceMean <keepdims = 0> (features, axes)\n logits = Gemm (flat, head_w, head_b)",
    "pool before the transpose": f"{POOLED} logits = Gemm (flat, head_w, head_b)",
    "no bias": f"{POOLED} logits = MatMul (flat, head_w)",
    "a batch norm before it": f"{POOLED} n = BatchNormalization (flat, one, two, two, one)\n"
    " logits = MatMul (n, head_w)",
    "the mean of two heads": f"{POOLED} a = Gemm (flat, head_w, head_b)\n b = MatMul (flat, more_w)\n"
    " sum = Add (a, b)\n logits = Div (sum, half)",
}
NOT_LINEAR = {
    "a layer norm after the mean": f"{POOLED} n = LayerNormalization (flat, one, two)\n logits = MatMul (n, head_w)",
    "a hidden layer": f"{POOLED} h = Gemm (flat, five_w)\n r = Relu (h)\n logits = MatMul (r, head_w)",
    "a ReLU before the mean": "r = Relu (features)\n flat = ReduceMean <keepdims = 0> (r, axes)\n"
    " logits = MatMul (flat, head_w)",
    "the maximum instead of the mean": "pooled = GlobalMaxPool (maps)\n flat = Flatten (pooled)\n"
    " logits = MatMul (flat, head_w)",
    "another weight for every pixel": "w = Mul (features, pixel_w)\n flat = ReduceMean <keepdims = 0> (w, axes)\n"
    " logits = MatMul (flat, head_w)",
    "a way around the map": f"{POOLED} level = ReduceMean <keepdims = 0> (frame, axes3)\n"
    " sum = Add (flat, level)\n logits = MatMul (sum, head_w)",
}


def toy(head: str, folder: Path) -> Path:
    """A graph with the outputs of a real one and the given head."""
    rng = np.random.default_rng(0)
    shapes = {"conv_w": (5, 1, 8, 8), "head_w": (5, 3), "head_b": (3,), "more_w": (5, 3), "five_w": (5, 5)}
    arrays: dict[str, NDArray[Any]] = {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    arrays |= {name: rng.uniform(0.5, 2, 5).astype(np.float32) for name in ("one", "two")}
    arrays |= {"pixel_w": rng.uniform(0, 1, (1, 4, 4, 1)).astype(np.float32), "half": np.float32([2])}
    arrays |= {"axes": np.array([1, 2]), "axes3": np.array([2, 3])}
    model = parser.parse_model(f"{START}{head}\n}}")
    text = head.replace("(", " ").replace(",", " ").replace(")", " ").split()
    used = [name for name in arrays if name in ("conv_w", *text)]
    model.graph.initializer.extend(numpy_helper.from_array(arrays[name], name) for name in used)
    return save_model(model, folder / "toy.onnx", {}).path


def squares(size_px: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (6, size_px, size_px), dtype=np.uint8)


@pytest.mark.parametrize("form", LINEAR)
def test_a_linear_head_is_found_however_it_is_written(form: str, tmp_path: Path) -> None:
    path = toy(LINEAR[form], tmp_path)
    head = head_from_onnx(path, squares(), PREPROCESS, threads=1)
    assert head is not None
    assert head.weight.shape == (3, 5)
    backend = ort_from_model(path.read_bytes(), 1, spin=False)
    other = np.random.default_rng(2).standard_normal((3, 1, 32, 32)).astype(np.float32)
    found = head.logits_from_features(backend.features_from_input(other))
    np.testing.assert_allclose(found, backend.logits_from_input(other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", NOT_LINEAR)
def test_any_other_head_gives_no_part_and_is_told(form: str, tmp_path: Path) -> None:
    parts, messages = parts_from_head(toy(NOT_LINEAR[form], tmp_path), squares(), PREPROCESS, threads=1)
    assert parts == {}
    assert "no attention maps" in messages[0]


def test_a_model_with_logits_alone_has_none(tmp_path: Path) -> None:
    model = parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 20]> alone (float[batch, 1, 32, 32] frame) => (float[batch, 1] logits)'
        " { mean = GlobalAveragePool (frame)\n logits = Flatten (mean) }"
    )
    assert head_from_onnx(save_model(model, tmp_path / "x.onnx", {}).path, squares(), PREPROCESS, 1) is None


def grad_cam(module: nn.Module, x: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Grad-CAM as published, by torch's gradients: equations 1 and 2, then divided by its maximum."""
    logits, features = module(torch.from_numpy(x.copy()))
    (gradient,) = torch.autograd.grad(logits[0, index], features)
    weights = gradient[0].mean((0, 1))
    cam = torch.relu(features[0] @ weights)
    return np.asarray((cam / cam.max()).detach().numpy())


def check_against_gradients(module: nn.Module, path: Path, size_px: int) -> None:
    preprocess = Preprocess(size_px=size_px)
    head = head_from_onnx(path, squares(size_px), preprocess, threads=1)
    assert head is not None
    x = input_from_frame(striped(1, seed=5), preprocess)
    features = ort_from_model(path.read_bytes(), 1, spin=False).features_from_input(x)[0]
    expected = [grad_cam(module, x, index) for index in range(len(head.weight))]
    drawn = [index for index, cam in enumerate(expected) if np.isfinite(cam).all()]  # a map of zeros has no maximum
    assert drawn
    for index in drawn:
        np.testing.assert_allclose(map_from_features(features, head, index), expected[index], atol=1e-4)


def test_the_map_of_a_student_is_grad_cam(tiny: Tiny) -> None:
    check_against_gradients(deepcopy(tiny.module).eval(), tiny.model.path, SIZE_PX)


def test_the_map_of_a_vmamba_is_grad_cam(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = VMamba(VMambaShape((16, 24), (1, 1), 1.0), 3, in_channels=1).eval()
    randomized(module)
    spec = ModelSpec("small", ("a", "b", "c"), preprocess=Preprocess(size_px=64))
    check_against_gradients(module, onnx_from_student(module, spec, tmp_path / "vmamba.onnx").path, 64)


def test_an_int8_bundle_explains_its_own_answers(stripes_made: Made) -> None:
    """W and b are the float model's, the map is the INT8 engine's: together they give the engine's logits."""
    with open_session(stripes_made.bundle, threads=1, keyring=Keyring(stripes_made.home)) as session:
        for plane in range(3):
            frame = striped(plane, seed=3)
            logits = session.logits(input_from_frame(frame, session.manifest.preprocess))[0]
            explained = session.head.logits_from_features(session.features(frame))
            np.testing.assert_allclose(explained, logits, atol=1e-3 * np.abs(logits).max())
            attention = session.attention(frame)
            assert attention.shape == frame.shape
            assert 0 <= attention.min() <= attention.max() <= 1


def test_the_same_images_give_the_same_part(tmp_path: Path) -> None:
    path = toy(LINEAR["no bias"], tmp_path)
    first, second = (parts_from_head(path, squares(), PREPROCESS, threads=1)[0][HEAD_PART] for _ in range(2))
    assert first == second
