"""The forms that a CPU trains with compute what the layers do, and are gone afterwards."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compile.model.comparators import Comparator
from compile.model.students import Student
from compile.training.cpu_forms import cpu_forms
from compile.training.kept_memory import kept_memory
from compile.training.loop import trained
from compile.training.recipe import Phase
from tests.compile.training_cases import SHAPE, are_equal, held_out_of, images_of, short, weights_of

CPU = torch.device("cpu")
BOUND = 0.02  # of the largest value: a few roundings to bfloat16


class StopRun(Exception):
    """The test's own end of a run."""


def results(module: nn.Module, x: Tensor, reduced: bool) -> list[Tensor]:
    """Output, the gradient of the input and those of the weights."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        y = module(x)
    y.float().backward(torch.linspace(-1, 1, y.numel()).view(y.shape))
    assert x.grad is not None
    gradients = [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]
    module.zero_grad()
    return [y.detach(), x.grad, *gradients]


def assert_near(ours: list[Tensor], theirs: list[Tensor], share: float) -> None:
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert (our.float() - their.float()).abs().max() <= share * their.float().abs().max()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 1, 1), (5, 2, 1), (7, 1, 2)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_depthwise_convolution_and_its_gradients_are_those_of_float32(
    kernel: int, stride: int, dilation: int, bias: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(16, 16, kernel, stride, padding, dilation, groups=16, bias=bias)
    x = torch.randn(3, 16, 12, 10).contiguous(memory_format=layout)
    exact = results(conv, x, reduced=False)
    with cpu_forms(nn.Sequential(conv), CPU):
        assert "forward" in conv.__dict__
        assert_near(results(conv, x, reduced=True), exact, BOUND)
        assert results(conv, x, reduced=True)[0].dtype is torch.bfloat16
        assert_near(results(conv, x, reduced=False), exact, 0.0)
    assert "forward" not in conv.__dict__


def test_a_response_normalization_and_its_gradients_are_those_of_timm_in_float32() -> None:
    torch.manual_seed(0)
    norm = Comparator("convnextv2_tiny", 2).net.stages[0].blocks[0].mlp.grn
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, 6, 5, len(norm.weight)).bfloat16().float()
    x[:, :, :, 4] = 0  # a channel that is silent: its norm has no direction
    exact = results(norm, x, reduced=False)
    with cpu_forms(norm, CPU):
        assert_near(results(norm, x.bfloat16(), reduced=True), exact, BOUND)
        assert_near(results(norm, x, reduced=False), exact, 0.0)


def test_other_layers_and_other_devices_keep_their_forms() -> None:
    layers = [nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 5), nn.Conv2d(4, 8, 5, groups=4)]
    layers += [nn.Conv2d(4, 4, 5, padding="same", groups=4), nn.Conv2d(4, 4, 5, groups=4, padding_mode="reflect")]
    with cpu_forms(nn.ModuleList(layers), CPU):
        assert not any("forward" in layer.__dict__ for layer in layers)
    wide = nn.Conv2d(4, 4, 5, groups=4)
    with cpu_forms(wide, torch.device("cuda")):
        assert "forward" not in wide.__dict__


def test_a_form_is_taken_out_after_an_error_and_was_never_part_of_the_state() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ZeroDivisionError), cpu_forms(model, CPU), kept_memory():
        assert model.state_dict().keys() == before.keys()
        raise ZeroDivisionError
    assert "forward" not in model[0].__dict__


def test_a_run_with_such_layers_that_was_stopped_ends_in_the_very_same_weights(tmp_path: Path) -> None:
    recipe = replace(short(), phases=(Phase(2, 32),))

    def run(folder: Path, limit: float) -> dict[str, Tensor]:
        def progress(_stage: str, done: float) -> None:
            if done >= limit:
                raise StopRun

        torch.manual_seed(0)
        model = Student(SHAPE, classes=3, scan=False)  # with depthwise 7x7
        return weights_of(trained(model, images_of(), held_out_of(), recipe, folder, progress))

    with pytest.raises(StopRun):
        run(tmp_path / "cut", 0.5)
    assert are_equal(run(tmp_path / "cut", 2.0), run(tmp_path / "whole", 2.0))
