"""Names and what they build."""

from __future__ import annotations

import pytest
import torch

from compile.model.zoo import model_from_name, model_names
from edge.errors import UsageError

MILLIONS = {  # with 1000 classes and 3 channels; papers and timm's own tables
    "resnet50": 25.6,
    "resnet18": 11.7,
    "swin_tiny": 28.3,
    "convnextv2_tiny": 28.6,
    "repvit_m1_0": 7.3,
    "efficientnet_b0": 5.3,
    "mobilenetv4_conv_small": 3.8,
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


@pytest.mark.parametrize("name", ["edge_n", "vmamba_t_s2l5", "swin_tiny", "resnet18"])
def test_drop_path_reaches_the_blocks(name: str) -> None:
    model = model_from_name(name, classes=2, in_channels=1, drop_path=0.5)
    assert any(getattr(m, "rate", 0) == 0.5 or getattr(m, "drop_prob", 0) == 0.5 for m in model.modules())


def test_every_name_is_told() -> None:
    assert len(set(model_names())) == len(model_names()) == 17


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="edge_n") as refusal:
        model_from_name("edge-n", classes=2)
    assert "vmamba_t" not in refusal.value.cure
