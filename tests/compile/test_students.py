"""The students: size, shape, routes, and what an image costs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from compile.macs import SCAN_MACS, macs_from_model
from compile.model.ss2d import SS2D, DepthwiseMixer
from compile.model.students import ROUTE_PAIRS, SHAPES, InvertedResidual, student_from_name
from compile.model.vss_block import DropPath, VSSBlock
from compile.model.zoo import model_from_name
from edge.preprocess import Preprocess

CLASSES = 8  # of the shipped student
STUDENTS = ("edge_n", "edge_n_noscan", "edge_s", "edge_s_noscan")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("edge_n", 3_844_688), ("edge_n_noscan", 3_795_536), ("edge_s", 8_931_176), ("edge_s_noscan", 8_810_344)],
)
def test_parameter_counts_are_those_of_the_design(name: str, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in student_from_name(name, CLASSES).parameters()) == parameters


@pytest.mark.parametrize("name", SHAPES)
def test_a_twin_is_as_large_and_as_costly_as_its_student(name: str) -> None:
    models = [student_from_name(twin, CLASSES).eval() for twin in (name, f"{name}_noscan")]
    student, twin = (sum(parameter.numel() for parameter in model.parameters()) for model in models)
    assert twin / student == pytest.approx(1, abs=0.02)
    assert macs_from_model(models[1], Preprocess()) / macs_from_model(models[0], Preprocess()) == pytest.approx(1, 0.02)


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_stage_maps_halve_from_a_quarter_of_the_side(name: str, channels: int) -> None:
    dims = SHAPES[name.removesuffix("_noscan")].dims
    model = student_from_name(name, CLASSES, channels).eval()
    with torch.inference_mode():
        maps = model.stage_maps(torch.zeros(1, channels, 96, 64))
    assert [tuple(m.shape) for m in maps] == [(1, dim, 24 >> i, 16 >> i) for i, dim in enumerate(dims)]


@pytest.mark.parametrize("name", STUDENTS)
def test_early_stages_convolve_and_late_ones_mix_tokens(name: str) -> None:
    stages: Any = student_from_name(name, CLASSES).stages
    mixer = DepthwiseMixer if name.endswith("_noscan") else SS2D
    assert tuple(len(stage) for stage in stages) == SHAPES[name.removesuffix("_noscan")].depths
    assert all(isinstance(block, InvertedResidual) for stage in stages[:2] for block in stage)
    assert all(isinstance(block, VSSBlock) and type(block.op) is mixer for stage in stages[2:] for block in stage)


@pytest.mark.parametrize("name", SHAPES)
def test_blocks_alternate_rows_both_ways_with_columns_both_ways(name: str) -> None:
    stages: Any = student_from_name(name, CLASSES).stages
    for stage in stages[2:]:
        routes = [tuple(block.op.routes) for block in stage]
        assert routes == [ROUTE_PAIRS[index % 2] for index in range(len(routes))]
    assert ROUTE_PAIRS == ((0, 2), (1, 3))


def test_drop_path_rises_from_zero_in_the_first_block_to_its_rate_in_the_last() -> None:
    model = student_from_name("edge_n", CLASSES, drop_path=0.18)
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.02 * index for index in range(10)])


def test_every_parameter_learns() -> None:
    model = student_from_name("edge_n", CLASSES)
    logits, _ = model(torch.rand(2, 1, 64, 64))
    logits.square().sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(
    ("name", "classes", "channels", "giga"),
    [("edge_n", CLASSES, 1, 0.6), ("edge_s", CLASSES, 1, 1.3), ("vmamba_t", 1000, 3, 4.9)],
)
def test_macs_are_those_of_the_design(name: str, classes: int, channels: int, giga: float) -> None:
    model = model_from_name(name, classes, channels).eval()
    assert macs_from_model(model, Preprocess(channels=channels)) / 1e9 == pytest.approx(giga, rel=0.02)


def test_macs_without_a_scan_are_those_torch_counts() -> None:
    model = student_from_name("edge_n_noscan", CLASSES).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 224, 224))
    assert macs_from_model(model, Preprocess()) == counter.get_total_flops() // 2


def test_macs_of_a_scan_are_its_projections_and_three_per_state() -> None:
    d, n, r, k, positions = 32, 4, 2, 2, 8 * 8

    class OneScan(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = SS2D(d, d_state=n, routes=(0, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.op(x.permute(0, 2, 3, 1).expand(-1, -1, -1, d))  # type: ignore[no-any-return]

    linear = 2 * d * d + k * (r + 2 * n) * d + k * d * r
    expected = positions * (linear + 9 * d + k * d * (SCAN_MACS * n + 1))
    assert macs_from_model(OneScan().eval(), Preprocess(size_px=8)) == expected


def test_counting_leaves_no_hook_behind() -> None:
    model = student_from_name("edge_n", CLASSES).eval()
    macs_from_model(model, Preprocess(size_px=64))
    assert not any(module._forward_hooks for module in model.modules())
