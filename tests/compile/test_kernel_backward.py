"""The native backward pass on the CPU against float64: torch's gradients and finite differences of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from compile.kernels.native import NativeKernel
from compile.kernels.reference import selective_scan_2d_ref
from compile.kernels.torch_native import NativeScan
from tests.compile.scan_cases import ALL, SMALL, Case, channels_first, check, gradients, operands

SLOTS = (1, 2, 3, 5, 64)  # 3 and 5 end within an image, 64 are more than there are blocks of channels
STEP = 1e-5  # of the finite differences: their own error is about its square


def upstream_of(tensors: Sequence[Tensor]) -> Tensor:
    """dLoss/dy."""
    return torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))


def check_gradients(got: Sequence[Tensor], tensors: Sequence[Tensor], routes: Sequence[int], layout: str) -> None:
    expected = gradients(tensors, routes, layout, upstream_of(tensors))
    for mine, wanted in zip(got, expected, strict=True):
        check(mine, wanted, "gradient")


@pytest.mark.parametrize("layout", ["last", "first"])
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradients_are_those_of_autograd(scan: NativeScan, case: Case, layout: str) -> None:
    tensors, routes = operands(*case), case[-1]
    if layout == "first":
        tensors = channels_first(tensors)
    check_gradients(scan.backward(upstream_of(tensors), *tensors, routes, layout), tensors, routes, layout)


@pytest.mark.parametrize("length", [63, 64, 65, 130])
def test_gradients_over_several_spans_are_those_of_autograd(scan: NativeScan, length: int) -> None:
    for routes in ((0, 2), (1, 3)):
        tensors = operands(1, 1, length, 20, 3, 2, routes)
        check_gradients(scan.backward(upstream_of(tensors), *tensors, routes, "last"), tensors, routes, "last")


@pytest.mark.parametrize("layout", ["last", "first"])
@pytest.mark.parametrize("case", SMALL[::3], ids=str)
def test_gradients_are_the_finite_differences_of_the_reference(kernel: NativeKernel, case: Case, layout: str) -> None:
    tensors, routes, rng = operands(*case), case[-1], np.random.default_rng(0)
    if layout == "first":
        tensors = channels_first(tensors)
    upstream = upstream_of(tensors)
    got = NativeScan(kernel, threads=2).backward(upstream, *tensors, routes, layout)
    at = [tensor.double().numpy() for tensor in tensors]
    for index, gradient in enumerate(got):
        way = rng.normal(size=gradient.shape)
        ends = [[x + sign * STEP * way if i == index else x for i, x in enumerate(at)] for sign in (1, -1)]
        up, down = (selective_scan_2d_ref(*inputs, routes, layout) for inputs in ends)
        slope, terms = (upstream.double().numpy() * (up - down)).sum() / (2 * STEP), gradient.double().numpy() * way
        np.testing.assert_allclose(terms.sum(), slope, rtol=1e-4, atol=1e-5 * np.abs(terms).sum())


@pytest.mark.parametrize("dt_bias", [-60.0, -20.0, 20.0, 500.0])
def test_gradients_of_extreme_time_steps_are_those_of_autograd(scan: NativeScan, dt_bias: float) -> None:
    tensors = operands(1, 6, 5, 20, 2, 1, ALL)
    tensors[3] += dt_bias
    check_gradients(scan.backward(upstream_of(tensors), *tensors, ALL, "last"), tensors, ALL, "last")


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("batch", [1, 4])
def test_any_number_of_slots_gives_the_gradients(scan: NativeScan, batch: int, slots: int) -> None:
    tensors = operands(batch, 5, 6, 70, 3, 2, ALL)
    dealt = NativeScan(scan.kernel, slots, scan.isa).backward(upstream_of(tensors), *tensors, ALL, "last")
    check_gradients(dealt, tensors, ALL, "last")


@pytest.mark.parametrize("slots", SLOTS)
def test_gradients_repeat_bit_by_bit_for_one_number_of_slots(scan: NativeScan, slots: int) -> None:
    tensors, dealt = operands(3, 6, 5, 70, 3, 1, ALL), NativeScan(scan.kernel, slots, scan.isa)
    first, second = (dealt.backward(tensors[0], *tensors, ALL, "last") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_gradient_of_u_is_the_same_for_any_number_of_slots(scan: NativeScan) -> None:
    tensors = operands(1, 6, 5, 70, 3, 1, ALL)
    first, *others = (
        NativeScan(scan.kernel, slots, scan.isa).backward(tensors[0], *tensors, ALL, "last")[0] for slots in SLOTS
    )
    assert all(torch.equal(first, other) for other in others)


def test_more_slots_than_blocks_need_no_more_memory(scan: NativeScan) -> None:
    params = scan.params(operands(2, 5, 6, 70, 3, 1, ALL), ALL, "last")
    blocks = -(-70 // {1: 4, 2: 8, 3: 16, 4: 4}[scan.isa])
    sizes = [scan.kernel.bytes_from_params(params, slots).backward for slots in (2 * blocks, 2**31 - 1)]
    assert sizes[0] == sizes[1]


def test_an_empty_batch_has_no_gradients(scan: NativeScan) -> None:
    tensors = operands(0, 3, 3, 4, 1, 1, ALL)
    assert not any(tensor.any() for tensor in scan.backward(tensors[0], *tensors, ALL, "last"))
