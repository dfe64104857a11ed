"""The torch form of SelectiveScan2D against the reference, and its gradients against naive autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from compile.kernels.reference import route_pixels, selective_scan_2d_ref
from compile.kernels.torch_scan import linear_scan, selective_scan_2d
from edge.errors import UsageError

TOLERANCES = {  # dtype -> (rtol, atol); sums of up to 4 routes of O(1) terms
    torch.float64: (1e-11, 1e-11),
    torch.float32: (1e-4, 2e-5),
    torch.float16: (4e-3, 4e-3),
    torch.bfloat16: (3e-2, 3e-2),
}
SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (7, 5), (9, 16)]
ROUTE_SETS = [(0,), (3,), (0, 2), (1, 3), (2, 1, 0), (0, 1, 2, 3)]


def operands(
    size: tuple[int, int], routes: Sequence[int], *, batch: int = 2, d: int = 3, r: int = 2, n: int = 1
) -> tuple[Tensor, ...]:
    """u, x_dbl, dt_weight, dt_bias, A, D in float64, channels last."""
    k = len(routes)
    shapes = [(batch, *size, d), (batch, *size, k * (r + 2 * n)), (k, d, r), (k, d), (k, d, n), (k, d)]
    generator = torch.Generator().manual_seed(len(routes) * 100 + size[0])
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    tensors[4] = -tensors[4].exp()
    return tuple(tensors)


def test_second_derivatives_are_refused_instead_of_being_zero() -> None:
    tensors = [tensor.requires_grad_() for tensor in operands((2, 3), (0, 1))]
    y = selective_scan_2d(*tensors, [0, 1], "last")
    with pytest.raises(UsageError, match="second derivatives"):
        torch.autograd.grad(y.sum(), tensors, create_graph=True)


def check_against_reference(tensors: tuple[Tensor, ...], routes: Sequence[int], layout: str = "last") -> None:
    y = selective_scan_2d(*tensors, list(routes), layout)
    expected = selective_scan_2d_ref(*(t.double().numpy() for t in tensors), routes, layout)
    rtol, atol = TOLERANCES[tensors[0].dtype]
    assert y.dtype == tensors[0].dtype
    np.testing.assert_allclose(y.double().numpy(), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("routes", ROUTE_SETS)
def test_any_size_and_route_set(size: tuple[int, int], routes: Sequence[int]) -> None:
    check_against_reference(operands(size, routes), routes)


@pytest.mark.parametrize(("n", "r"), [(1, 1), (1, 6), (4, 2), (16, 3)])
def test_any_state_and_rank(n: int, r: int) -> None:
    check_against_reference(operands((4, 5), (0, 1, 2, 3), n=n, r=r), (0, 1, 2, 3))


@pytest.mark.parametrize("batch", [1, 3])
def test_any_batch(batch: int) -> None:
    check_against_reference(operands((3, 4), (0, 3), batch=batch), (0, 3))


@pytest.mark.parametrize("routes", ROUTE_SETS)
def test_channels_first(routes: Sequence[int]) -> None:
    u, x_dbl, *weights = operands((4, 3), routes)
    tensors = (u.permute(0, 3, 1, 2).contiguous(), x_dbl.permute(0, 3, 1, 2).contiguous(), *weights)
    check_against_reference(tensors, routes, "first")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_lower_precision_keeps_its_state_in_float32(dtype: torch.dtype) -> None:
    u, x_dbl, *weights = operands((9, 9), (0, 1, 2, 3))
    check_against_reference((u.to(dtype), x_dbl.to(dtype), *(w.float() for w in weights)), (0, 1, 2, 3))


def test_autocast_leaves_the_arithmetic_in_float32() -> None:
    tensors = tuple(t.float() for t in operands((9, 9), (0, 1, 2, 3)))
    with torch.autocast("cpu", torch.bfloat16):
        check_against_reference(tensors, (0, 1, 2, 3))


@pytest.mark.parametrize("dt_bias", [-60.0, -20.0, 20.0, 500.0])
def test_extreme_time_steps(dt_bias: float) -> None:
    u, x_dbl, weight, bias, a, d = (t.float() for t in operands((6, 5), (0, 1, 2, 3)))
    y = selective_scan_2d(u, x_dbl, weight, bias + dt_bias, a, d, [0, 1, 2, 3], "last")
    expected = selective_scan_2d_ref(*(t.numpy() for t in (u, x_dbl, weight, bias + dt_bias, a, d)), [0, 1, 2, 3])
    scale = max(1.0, np.abs(expected).max())  # delta itself, up to 500, multiplies the input
    np.testing.assert_allclose(y.numpy() / scale, expected / scale, rtol=1e-4, atol=1e-5)


def test_long_memory_over_a_long_route() -> None:
    u, x_dbl, weight, bias, a, d = (t.float() for t in operands((40, 41), (0, 3), batch=1))
    check_against_reference((u, x_dbl, weight, bias - 6.0, a, d), (0, 3))


@pytest.mark.parametrize(("size", "routes", "n"), [((1, 1), (0,), 1), ((2, 3), (0, 1, 2, 3), 1), ((3, 2), (3, 0), 2)])
@pytest.mark.parametrize("layout", ["last", "first"])
def test_gradients_are_the_numerical_ones(size: tuple[int, int], routes: Sequence[int], n: int, layout: str) -> None:
    u, x_dbl, *weights = operands(size, routes, batch=1, d=2, r=1, n=n)
    if layout == "first":
        u, x_dbl = u.permute(0, 3, 1, 2), x_dbl.permute(0, 3, 1, 2)
    inputs = [t.contiguous().requires_grad_() for t in (u, x_dbl, *weights)]
    assert torch.autograd.gradcheck(lambda *t: selective_scan_2d(*t, list(routes), layout), inputs)


def naive_scan(
    u: Tensor, x_dbl: Tensor, weight: Tensor, bias: Tensor, a: Tensor, d: Tensor, routes: Sequence[int]
) -> Tensor:
    """The reference's loop in torch, for autograd to differentiate."""
    batch, height, width, channels = u.shape
    (r, n), k_count = (weight.shape[2], a.shape[2]), len(routes)
    u, x = u.reshape(batch, -1, channels), x_dbl.reshape(batch, height * width, k_count, r + 2 * n)
    outputs = [torch.zeros(batch, channels, dtype=u.dtype)] * (height * width)
    for k, route in enumerate(routes):
        h = torch.zeros(batch, channels, n, dtype=u.dtype)
        for p in route_pixels(route, height, width).tolist():
            dt, b, c = x[:, p, k].split([r, n, n], dim=-1)
            delta = functional.softplus(dt @ weight[k].T + bias[k])
            h = torch.exp(delta[..., None] * a[k]) * h + (delta * u[:, p])[..., None] * b[:, None]
            outputs[p] = outputs[p] + (h * c[:, None]).sum(-1) + d[k] * u[:, p]
    return torch.stack(outputs, 1).reshape(batch, height, width, channels)


@pytest.mark.parametrize("routes", [(0, 2), (1, 3), (0, 1, 2, 3)])
def test_gradients_are_those_of_naive_autograd(routes: Sequence[int]) -> None:
    ours = [t.requires_grad_() for t in operands((5, 4), routes, d=4, n=2)]
    naive = [t.detach().clone().requires_grad_() for t in ours]
    upstream = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    selective_scan_2d(*ours, list(routes), "last").backward(upstream)
    naive_scan(*naive, routes).backward(upstream)
    for mine, theirs in zip(ours, naive, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-9, atol=1e-10)


def test_gradients_have_the_type_of_their_input() -> None:
    u, x_dbl, *weights = operands((3, 3), (0, 1))
    inputs = [u.half().requires_grad_(), x_dbl.half().requires_grad_(), *(w.float().requires_grad_() for w in weights)]
    selective_scan_2d(*inputs, [0, 1], "last").float().sum().backward()
    assert [t.grad.dtype for t in inputs if t.grad is not None] == [t.dtype for t in inputs]


@pytest.mark.parametrize("layout", ["last", "first"])
def test_custom_op_is_registered_as_torch_demands(layout: str) -> None:
    u, x_dbl, *weights = operands((3, 4), (0, 1))
    if layout == "last":
        u = u.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)  # strided as SS2D's convolution leaves it
    else:
        u, x_dbl = u.permute(0, 3, 1, 2), x_dbl.permute(0, 3, 1, 2)
    inputs = [t.detach().requires_grad_() for t in (u, x_dbl, *weights)]
    demands = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(selective_scan_2d, (*inputs, [0, 1], layout), test_utils=demands)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 10, 37])
def test_linear_scan_is_the_recurrence(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    a, b = (torch.rand(2, length, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    h, expected = torch.zeros(2, 3, dtype=torch.float64), []
    for step in range(length):
        h = a[:, step] * h + b[:, step]
        expected.append(h)
    torch.testing.assert_close(linear_scan(a, b), torch.stack(expected, 1))
