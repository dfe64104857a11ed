"""A model on a CPU -> the same model with faster backward passes of two layers, for as long as it is trained.

::

    depthwise convolution, wide or with a stride: forward as autocast wants it, gradients in float32
    timm's global response normalization:         one pass each way in the map's own type, statistics in float32

torch 2.13 computes these gradients of bfloat16 maps 3 to 50 times slower. Parameters and their names stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

NARROW_PX = 3  # kernels up to this side are as fast in bfloat16 where they have no stride


@contextmanager
def cpu_forms(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Put the faster forms into a model; taken out again behind the block. Nothing changes on a GPU.

    Args:
        model: to train.
        device: where.
    """
    changed = [module for module in model.modules() if device.type == "cpu" and _form(module) is not None]
    for module in changed:
        module.forward = partial(_form(module), module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _form(module: nn.Module) -> Any:
    """The faster form of a layer's `forward`; None where there is none."""
    if type(module).__name__ == "GlobalResponseNorm":  # timm's, which is imported with its networks only
        return _normalized if module.channel_dim == -1 else None
    if type(module) is not nn.Conv2d or module.padding_mode != "zeros" or isinstance(module.padding, str):
        return None
    depthwise = module.groups == module.in_channels == module.out_channels > 1
    return _convolved if depthwise and (max(module.kernel_size) > NARROW_PX or max(module.stride) > 1) else None


def _is_reduced() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


def _convolved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    if not _is_reduced():
        return nn.Conv2d.forward(conv, x)
    lower = x.to(torch.get_autocast_dtype("cpu"))
    y: Tensor = _Depthwise.apply(lower, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation)  # type: ignore[no-untyped-call]
    return y


def _normalized(norm: Any, x: Tensor) -> Tensor:
    if not _is_reduced():
        y: Tensor = type(norm).forward(norm, x)
        return y
    return _ResponseNorm.apply(x, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call,no-any-return]


class _Depthwise(torch.autograd.Function):
    """conv2d with one filter a channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *sizes: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.sizes, ctx.bias_sizes = sizes, None if bias is None else [len(bias)]
        lower = None if bias is None else bias.to(x.dtype)
        stride, padding, dilation = sizes
        y: Tensor = nn.functional.conv2d(x, weight.to(x.dtype), lower, stride, padding, dilation, len(weight))
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        last = torch.channels_last
        out = torch.ops.aten.convolution_backward(
            grad.to(torch.float32, memory_format=last),
            x.to(torch.float32, memory_format=last),
            weight.contiguous(memory_format=last),
            ctx.bias_sizes,
            *ctx.sizes,
            False,
            [0, 0],
            len(weight),
            list(ctx.needs_input_grad[:3]),
        )
        dx = out[0].to(x.dtype) if out[0] is not None else None
        return dx, out[1], out[2], None, None, None


class _ResponseNorm(torch.autograd.Function):
    """x + weight * x * n + bias, n = g / mean(g) over the channels, g the norm of each channel's map.

    Source: Woo et al., ConvNeXt V2, arXiv 2301.00808, section 3.2.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        g = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True, dtype=torch.float32)
        mean = g.mean(-1, keepdim=True) + eps
        ctx.save_for_backward(x, weight, g, mean)
        factor = 1 + weight * g / mean
        return torch.addcmul(bias.to(x.dtype), x, factor.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, g, mean = ctx.saved_tensors
        n = g / mean
        d_factor = (grad * x).sum((1, 2), keepdim=True, dtype=torch.float32)
        d_n = d_factor * weight
        d_g = d_n / mean - (d_n * n).mean(-1, keepdim=True) / mean
        share = (d_g / g.clamp(min=torch.finfo(g.dtype).tiny)).to(x.dtype)
        dx = torch.addcmul(grad * (1 + weight * n).to(x.dtype), x, share)
        return dx, (d_factor * n).sum((0, 1, 2)), grad.sum((0, 1, 2), dtype=torch.float32), None
