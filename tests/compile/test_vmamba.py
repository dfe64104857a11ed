"""VMamba against its authors' own answers, see golden/make_vmamba.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from compile.model.ss2d import SS2D
from compile.model.vmamba import SHAPES, VMamba, VMambaShape, vmamba_from_name
from tests.compile.golden.make_vmamba import GOLDEN, images_from_seed, keys_sha256, weights_from_seed

LOGITS_ATOL = 1e-4  # float32 of two implementations, logits of standard deviation 0.6
PUBLISHED = ("vmamba_t", "vmamba_s", "vmamba_b")
SMALL = VMambaShape((16, 32), (1, 2), ssm_ratio=1.0)


def golden_model(name: str) -> VMamba:
    model = vmamba_from_name(name, classes=1000).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict({key: torch.from_numpy(value) for key, value in weights_from_seed(shapes).items()})
    return model


def logits_of(model: VMamba) -> NDArray[np.float32]:
    with torch.inference_mode():
        return model(torch.from_numpy(images_from_seed()))[0].numpy()


@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_are_those_of_the_authors_code(name: str) -> None:
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(logits_of(golden_model(name)), golden[f"{name}.logits"], rtol=0, atol=LOGITS_ATOL)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_names_and_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        model = vmamba_from_name(name, classes=1000)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    with np.load(GOLDEN) as golden:
        assert keys_sha256(shapes) == golden[f"{name}.keys"].item()


def test_golden_logits_depend_on_the_routes() -> None:
    model = golden_model("vmamba_t")
    for module in model.modules():
        if isinstance(module, SS2D):
            module.routes = [1, 0, 3, 2]
    with np.load(GOLDEN) as golden:
        assert np.abs(logits_of(model) - golden["vmamba_t.logits"]).max() > 1000 * LOGITS_ATOL


@pytest.mark.parametrize(("name", "millions"), [("vmamba_t", 30.25), ("vmamba_s", 50.15), ("vmamba_b", 88.56)])
def test_parameter_counts_are_the_published_ones(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = vmamba_from_name(name, classes=1000)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_features_are_the_normalized_map_that_the_head_averages() -> None:
    model = VMamba(SMALL, classes=3, in_channels=1).eval()
    with torch.inference_mode():
        logits, features = model(torch.randn(2, 1, 40, 24, generator=torch.Generator().manual_seed(0)))
        assert features.shape == (2, 5, 3, 32)
        torch.testing.assert_close(model.classifier.head(features.mean(dim=(1, 2))), logits)
    torch.testing.assert_close(features.mean(-1), torch.zeros(2, 5, 3), rtol=0, atol=1e-5)


def test_drop_path_rises_linearly_to_the_published_rate() -> None:
    with torch.device("meta"):
        model = vmamba_from_name("vmamba_t", classes=2)
    rates = [block.drop_path.rate for stage in model.layers for block in stage.blocks]
    assert rates == pytest.approx(np.linspace(0, SHAPES["vmamba_t"].drop_path, 14))


def test_every_weight_gets_a_gradient() -> None:
    model = VMamba(SMALL, classes=3, in_channels=1)
    model(torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)))[0].square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
