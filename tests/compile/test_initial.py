"""`--init`: every tensor of the file arrives, the head is fresh, and what does not fit is refused in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from compile.model.checkpoint import save_student
from compile.model.initial import initial_from_text
from compile.model.sononet import SonoNet
from compile.model.spec import ModelSpec
from compile.model.zoo import model_from_name
from edge.errors import CheckpointError, UsageError


def started(text: str, name: str, classes: int = 3) -> tuple[nn.Module, tuple[str, ...]]:
    """The model with what it starts from, and the names of the tensors that stay fresh."""
    model = model_from_name(name, classes)
    left = model.load_state_dict(initial_from_text(text, name, model).state, strict=False)
    assert not left.unexpected_keys
    return model, tuple(key for key in left.missing_keys if not key.endswith("num_batches_tracked"))


@pytest.fixture
def student_file(tmp_path: Path) -> Path:
    path = tmp_path / "edge_n.safetensors"
    save_student(model_from_name("edge_n", 2), ModelSpec("edge_n", ("a", "b")), path)
    return path


def test_weights_for_other_planes_keep_all_but_the_head(student_file: Path) -> None:
    assert started(str(student_file), "edge_n")[1] == ("head.weight", "head.bias")


def test_weights_for_as_many_planes_keep_the_head(student_file: Path) -> None:
    assert started(str(student_file), "edge_n", classes=2)[1] == ()


def test_weights_of_another_network_are_refused(student_file: Path) -> None:
    with pytest.raises(CheckpointError, match="holds edge_n, not edge_s"):
        initial_from_text(str(student_file), "edge_s", model_from_name("edge_s", 2))


def test_published_sononet_weights_give_its_features(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    published = SonoNet()
    published.features[0][0][1].running_var.fill_(2e5)  # type: ignore[index]  # as published: beyond float16
    weights = {k: v for k, v in published.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(weights, tmp_path / "sononet.safetensors")
    model, fresh = started(str(tmp_path / "sononet.safetensors"), "sononet16")
    assert fresh == ("norm.weight", "norm.bias", "head.weight", "head.bias")
    x = torch.rand(2, 1, 64, 64)
    scaled = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True, correction=0) * 255
    theirs = model.eval().norm(published.eval().maps(scaled).permute(0, 2, 3, 1))  # type: ignore[operator]
    assert torch.allclose(model((x - 0.449) / 0.226)[1], theirs, atol=1e-3)
    save_student(model, ModelSpec("sononet16", ("a", "b", "c")), tmp_path / "again.safetensors")


def test_imagenet_weights_come_from_the_installed_package() -> None:
    model, fresh = started("imagenet", "efficientnet_lite0")
    assert fresh == ("net.classifier.weight", "net.classifier.bias")
    assert next(model.parameters()).shape[1] == 1  # colour filters added up for gray frames


def test_imagenet_weights_that_nobody_published_as_a_package_are_refused() -> None:
    with pytest.raises(UsageError, match="No ImageNet weights of edge_n are known"):
        initial_from_text("imagenet", "edge_n", model_from_name("edge_n", 2))
