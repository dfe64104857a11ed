"""SelectiveScan2D in torch: differentiable, and one node `vmamba::selective_scan_2d` for the exporter.

::

    u (B,H,W,D), x_dbl (B,H,W,K*(R+2N)) --routes--> (K,B,L,..) --linear_scan--> h --C--> (K,B,L,D)
                                                                               --merge--> y (B,H,W,D)

The recurrence runs in two levels: inside chunks of about sqrt(L) steps, all chunks at once, then over the chunks. That
is 2 sqrt(L) vector operations instead of L. Softplus, exp and state are float32 whatever the inputs are (float64 for
float64). Within `use_native` the operator and its gradients are those of `torch_native.py` wherever it has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from edge.errors import UsageError

ROUTES = (0, 1, 2, 3)  # rows, columns, rows reversed, columns reversed: VMamba's order


class NativeForm(Protocol):
    """The operator on a native kernel, as `torch_native.NativeScan` and `torch_cuda.CudaScan` are."""

    def accepts(self, *tensors: Tensor) -> bool:
        """Whether it computes these."""
        ...

    def forward(
        self,
        u: Tensor,
        x_dbl: Tensor,
        dt_weight: Tensor,
        dt_bias: Tensor,
        A: Tensor,
        D: Tensor,
        routes: Sequence[int],
        layout: str,
    ) -> Tensor:
        """y, as `selective_scan_2d`."""
        ...

    def backward(
        self,
        grad: Tensor,
        u: Tensor,
        x_dbl: Tensor,
        dt_weight: Tensor,
        dt_bias: Tensor,
        A: Tensor,
        D: Tensor,
        routes: Sequence[int],
        layout: str,
    ) -> tuple[Tensor, ...]:
        """Gradients of the six tensors from that of y."""
        ...


_NATIVE: ContextVar[NativeForm | None] = ContextVar("native_scan", default=None)  # set by `use_native` alone


@contextmanager
def use_native(scan: NativeForm | None) -> Iterator[None]:
    """Let a native kernel compute the operator within a `with`, in this thread, and its gradients at any later time.

    Tensors that it does not accept (float64, another device, fake ones of an export) take the torch form.

    Args:
        scan: the kernel; None: the torch form for all, which is also what runs outside.
    """
    token = _NATIVE.set(scan)
    try:
        yield
    finally:
        _NATIVE.reset(token)


def linear_scan(a: Tensor, b: Tensor) -> Tensor:
    """h_s = a_s h_(s-1) + b_s along dimension 1, h = 0 before the first step.

    Args:
        a: (G,L,F) decay.
        b: (G,L,F) input.

    Returns:
        (G,L,F) states.
    """
    return _LinearScan.apply(a, b)  # type: ignore[no-any-return, no-untyped-call]  # torch's apply is untyped


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        h = _scan(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        a_next = functional.pad(a[:, 1:], (0, 0, 0, 1))
        grad_b = _scan(a_next.flip(1), grads[0].flip(1)).flip(1)
        grad_a = grad_b * functional.pad(h[:, :-1], (0, 0, 1, 0))
        return grad_a, grad_b


def _scan(a: Tensor, b: Tensor) -> Tensor:
    groups, length, width = a.shape
    chunk = math.isqrt(length - 1) + 1
    padding = -length % chunk
    a = functional.pad(a, (0, 0, 0, padding), value=1.0).view(groups, -1, chunk, width)
    h = functional.pad(b, (0, 0, 0, padding)).view(groups, -1, chunk, width).clone()
    decay = a.clone()
    for step in range(1, chunk):
        h[:, :, step].addcmul_(a[:, :, step], h[:, :, step - 1])
        decay[:, :, step].mul_(decay[:, :, step - 1])
    carry = torch.zeros_like(h[:, :, 0])
    for index in range(1, h.shape[1]):
        carry[:, index] = torch.addcmul(h[:, index - 1, -1], decay[:, index - 1, -1], carry[:, index - 1])
    h.addcmul_(decay, carry.unsqueeze(2))
    return h.reshape(groups, -1, width)[:, :length]


def _routed(x: Tensor, routes: Sequence[int]) -> Tensor:
    """(B,H,W,K,E) -> (K,B,L,E): each route's own slice in the order of its steps."""
    out = []
    for k, route in enumerate(routes):
        tokens = (x[..., k, :].transpose(1, 2) if route % 2 else x[..., k, :]).flatten(1, 2)
        out.append(tokens.flip(1) if route >= 2 else tokens)
    return torch.stack(out)


def _merged(y: Tensor, routes: Sequence[int], height: int, width: int) -> Tensor:
    """(K,B,L,D) -> (B,H,W,D): the routes add up at their pixel."""
    batch, d_inner = y.shape[1], y.shape[3]
    total = y.new_zeros(batch, height, width, d_inner)
    for k, route in enumerate(routes):
        tokens = y[k].flip(1) if route >= 2 else y[k]
        columns = tokens.reshape(batch, width, height, d_inner).transpose(1, 2)
        total = total + (columns if route % 2 else tokens.reshape(batch, height, width, d_inner))
    return total


def _selective_scan(
    u: Tensor,
    x_dbl: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    routes: Sequence[int],
    layout: str,
) -> Tensor:
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    u_in = u
    u, x_dbl = u.to(dtype), x_dbl.to(dtype)
    if layout == "first":
        u, x_dbl = u.permute(0, 2, 3, 1), x_dbl.permute(0, 2, 3, 1)
    (batch, height, width, d_inner), (k, rank), n = u.shape, dt_weight.shape[::2], A.shape[2]
    routed = _routed(x_dbl.reshape(batch, height, width, k, rank + 2 * n), routes)
    dt, b, c = torch.split(routed, [rank, n, n], dim=-1)
    u_k = _routed(u.unsqueeze(3).expand(-1, -1, -1, k, -1), routes)
    raw = torch.matmul(dt, dt_weight.to(dtype).transpose(1, 2).unsqueeze(1)) + dt_bias.to(dtype)[:, None, None]
    delta = functional.softplus(raw)
    decay = torch.exp(delta.unsqueeze(-1) * A.to(dtype)[:, None, None])
    drive = (delta * u_k).unsqueeze(-1) * b.unsqueeze(3)
    h = linear_scan(decay.flatten(3).flatten(0, 1), drive.flatten(3).flatten(0, 1))
    h = h.view(k, batch, height * width, d_inner, n)
    y = torch.einsum("kbldn,kbln->kbld", h, c) + D.to(dtype)[:, None, None] * u_k
    merged = _merged(y, routes, height, width).to(u_in.dtype)
    return merged.permute(0, 3, 1, 2).contiguous() if layout == "first" else merged.contiguous()


@torch.library.custom_op("vmamba::selective_scan_2d", mutates_args=())
def selective_scan_2d(
    u: Tensor,
    x_dbl: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    routes: Sequence[int],
    layout: str,
) -> Tensor:
    """SelectiveScan2D(u, x_dbl, dt_weight, dt_bias, A, D) -> y, differentiable in its six tensors.

    Args:
        u: (B,H,W,D), or (B,D,H,W) if layout is "first".
        x_dbl: (B,H,W,K*(R+2N)), per route [dt: R | B: N | C: N], stored at its pixel; (B,K*(R+2N),H,W) if "first".
        dt_weight: (K,D,R).
        dt_bias: (K,D).
        A: (K,D,N), negative.
        D: (K,D).
        routes: K of 0 rows, 1 columns, 2 rows reversed, 3 columns reversed.
        layout: "last" or "first", where the channels stand.

    Returns:
        y, shape and type of u.

    Source: Gu and Dao, Mamba, arXiv 2312.00752, equations 2-4; Liu et al., VMamba, arXiv 2401.10166, section 4.2.
    """
    native = _NATIVE.get()
    if native and native.accepts(u, x_dbl, dt_weight, dt_bias, A, D):
        return native.forward(u, x_dbl, dt_weight, dt_bias, A, D, routes, layout)
    with torch.autocast(u.device.type, enabled=False):  # it would run the dt projection in 16 bits
        return _selective_scan(u, x_dbl, dt_weight, dt_bias, A, D, routes, layout)


@selective_scan_2d.register_fake
def _(
    u: Tensor,
    x_dbl: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    routes: Sequence[int],
    layout: str,
) -> Tensor:
    return torch.empty_like(u, memory_format=torch.contiguous_format)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:6])
    ctx.routes, ctx.layout = inputs[6:]
    ctx.native = _NATIVE.get()  # gradients on a GPU are computed in a thread of torch's own


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    if torch.is_grad_enabled():  # create_graph=True: what follows has no history of its own
        raise UsageError(
            "SelectiveScan2D has no second derivatives.", "Use create_graph=False, or the module's parts without it."
        )
    u, x_dbl, dt_weight, dt_bias, a, d = ctx.saved_tensors
    native = ctx.native
    if native and native.accepts(grad, u, x_dbl, dt_weight, dt_bias, a, d):
        return (*native.backward(grad, u, x_dbl, dt_weight, dt_bias, a, d, ctx.routes, ctx.layout), None, None)
    # The forward is run again: its K scanned copies cost more memory than the second pass costs time.
    with torch.enable_grad(), torch.autocast(grad.device.type, enabled=False):
        inputs = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
        u, x_dbl, dt_weight, dt_bias, a, d = inputs
        y = _selective_scan(u, x_dbl, dt_weight, dt_bias, a, d, ctx.routes, ctx.layout)
        grads = torch.autograd.grad(y, inputs, grad)
    return (*grads, None, None)


selective_scan_2d.register_autograd(_backward, setup_context=_setup_context)
