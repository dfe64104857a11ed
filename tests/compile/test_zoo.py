"""Names and what they build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from compile.export import onnx_from_student
from compile.model.checkpoint import save_student, teacher_from_checkpoint
from compile.model.mspanet import MultiScale, PyramidAttention
from compile.model.spec import ModelSpec
from compile.model.zoo import check_size, model_from_name, model_names
from edge.errors import UsageError
from edge.preprocess import Preprocess

MILLIONS = {  # with 1000 classes and 3 channels; papers and timm's own tables
    "resnet50": 25.6,
    "resnet18": 11.7,
    "swin_tiny": 28.3,
    "convnextv2_tiny": 28.6,
    "repvit_m1_0": 7.3,
    "efficientnet_b0": 5.3,
    "mobilenetv4_conv_small": 3.8,
    "efficientnet_b0_attention": 4.6,  # of the backbone 4.0
    "mspanet": 25.6,  # counted from its authors' definition
}


@pytest.mark.parametrize("name", ["edge_n", "edge_n_noscan", "edge_s", "edge_s_noscan", *MILLIONS])
def test_model_gives_logits_and_a_map_with_channels_last(name: str) -> None:
    model = model_from_name(name, classes=5, in_channels=1).eval()
    with torch.inference_mode():
        logits, features = model(torch.zeros(1, 1, 224, 224))
    assert logits.shape == (1, 5)
    assert features.shape[:3] == (1, 7, 7)


@pytest.mark.parametrize(("name", "millions"), MILLIONS.items())
def test_comparator_is_the_published_network(name: str, millions: float) -> None:
    parameters = sum(p.numel() for p in model_from_name(name, classes=1000, in_channels=3).parameters())
    assert parameters / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize("name", MILLIONS)
def test_comparator_takes_another_size(name: str) -> None:
    model = model_from_name(name, classes=2, in_channels=1).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 1, 160, 160))[0].shape == (1, 2)


@pytest.mark.parametrize("name", ["edge_n", "vmamba_t_s2l5", "swin_tiny", "resnet18", "mspanet"])
def test_drop_path_reaches_the_blocks(name: str) -> None:
    model = model_from_name(name, classes=2, in_channels=1, drop_path=0.5)
    assert any(getattr(m, "rate", 0) == 0.5 or getattr(m, "drop_prob", 0) == 0.5 for m in model.modules())


def test_no_drop_path_is_none_in_swin_too() -> None:
    model = model_from_name("swin_tiny", classes=2, in_channels=1, drop_path=0.0)
    assert not any(getattr(module, "drop_prob", 0) for module in model.modules())


@pytest.mark.parametrize(("name", "size_px"), [("mspanet", 32), ("swin_tiny", 46), ("convnextv2_tiny", 16)])
def test_a_size_that_a_network_does_not_take_is_told_before_it_is_trained(name: str, size_px: int) -> None:
    model = model_from_name(name, classes=2)
    with pytest.raises(UsageError, match=f"images of {size_px} px"):
        check_size(model, 1, size_px)
    check_size(model, 1, 64)
    assert model.training


def test_every_name_is_told() -> None:
    assert len(set(model_names())) == len(model_names()) == 22


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="edge_n") as refusal:
        model_from_name("edge-n", classes=2)
    assert "vmamba_t" not in refusal.value.cure


@pytest.mark.parametrize("name", ["mspanet", "efficientnet_b0_attention", "efficientnet_lite0", "sononet16"])
def test_a_comparator_goes_through_its_file_and_onnx_unchanged(name: str, tmp_path: Path) -> None:
    spec = ModelSpec(name, ("a", "b", "c"), preprocess=Preprocess(size_px=64))
    torch.manual_seed(0)
    model = model_from_name(name, 3)
    with torch.no_grad():
        model(torch.randn(4, 1, 64, 64))  # in training mode: statistics of its own, so that no layer explodes
    model = model.half().float().eval()  # the values that the file keeps
    save_student(model, spec, tmp_path / "w.safetensors")
    loaded, _ = teacher_from_checkpoint(tmp_path / "w.safetensors")
    frames = np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(frames))
        again = loaded(torch.from_numpy(frames))
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))
    exported = onnx_from_student(loaded, spec, tmp_path / "m.onnx")
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    for ours, theirs in zip(session.run(["logits", "features"], {"frame": frames}), expected, strict=True):
        scale = float(theirs.abs().max())
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-3 * scale)


def test_quarter_means_are_torch_s_adaptive_ones() -> None:
    x = torch.rand(2, 32, 7, 5, generator=torch.Generator().manual_seed(0))
    attention = PyramidAttention(32).eval()
    quarters = torch.nn.functional.adaptive_avg_pool2d(x, 2).reshape(2, -1, 1, 1)
    means = torch.cat([x.mean((2, 3), keepdim=True), quarters], 1)
    expected = torch.sigmoid(attention.fc2(torch.relu(attention.fc1(means))))
    torch.testing.assert_close(attention(x), expected)


def test_scales_build_on_each_other_except_where_a_stage_begins() -> None:
    for stride, first, expected in ((1, False, [1, 1, 1]), (2, True, [1, 0, 0])):
        module = MultiScale(16, stride, first).eval()
        x = torch.zeros(1, 48, 8, 8)
        x[:, :16] = torch.rand(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
        scales = module(x).split(16, 1)  # without a bias a scale that sees only zeros stays zero
        assert [int(bool(scale.abs().max() > 0)) for scale in scales] == expected
