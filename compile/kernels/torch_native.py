"""SelectiveScan2D in torch through the native library: forward and analytic backward, on a CPU.

::

    tensors --float32--> data pointers --> selective_scan.h --> y, or the six gradients --> types of the tensors

An implementation for the operator of `torch_scan.py`, not an operator of its own: schema, fake and autograd are there,
and `torch_scan.use_native` puts it to work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from compile.kernels.build import kernel_from_sources
from compile.kernels.native import BEST_ISA, Gradients, NativeKernel, Params, Strides, params_from_sizes
from edge.cpu import load_cpu
from edge.errors import DeviceError, MachineError, UsageError

FLOATS = (torch.float32, torch.bfloat16, torch.float16)  # the 16-bit ones are converted: what autocast makes of u


@dataclass(frozen=True)
class NativeScan:
    """The operator of `torch_scan.py` on the native kernel.

    Attributes:
        kernel: the library.
        threads: at most this many; None: as many as torch uses. Gradients of weights differ in their last bits with it.
        isa: a value of `native.ISAS`, or BEST_ISA.
    """

    kernel: NativeKernel
    threads: int | None = None
    isa: int = BEST_ISA

    def accepts(self, *tensors: Tensor) -> bool:
        """Whether the kernel computes these: tensors with data, on a CPU, of at most 32 bits."""
        return all(
            type(tensor) in (Tensor, nn.Parameter) and tensor.device.type == "cpu" and tensor.dtype in FLOATS
            for tensor in tensors
        )

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
        """y, contiguous, of u's type; arguments as in `torch_scan.selective_scan_2d`.

        Raises:
            UsageError: a route, layout, type or shape that the operator does not have.
        """
        tensors = self._checked(u, x_dbl, dt_weight, dt_bias, A, D)
        params = self.params(tensors, routes, layout)
        y = torch.empty_like(tensors[0])
        params.y, params.y_strides = y.data_ptr(), _strides(y, layout)
        sizes = self.kernel.bytes_from_params(params)
        packed, workspace = self.packed(params, sizes.packed), _buffer(sizes.forward)
        self.kernel.forward(params, packed.data_ptr(), workspace.data_ptr(), sizes.forward, self._threads())
        return y.to(u.dtype)

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
        """Gradients of u, x_dbl, dt_weight, dt_bias, A and D from that of y, each of its tensor's type.

        Raises:
            UsageError: as `forward`.
        """
        inputs, threads = (u, x_dbl, dt_weight, dt_bias, A, D), self._threads()
        grad, *tensors = self._checked(grad, *inputs)
        params = self.params(tensors, routes, layout)
        out = [torch.empty_like(tensor) for tensor in tensors]
        pointers = [tensor.data_ptr() for tensor in (grad, *out)]
        maps = [_strides(tensor, layout) for tensor in (grad, *out[:2])]
        gradients = Gradients(*pointers[:3], *maps, *pointers[3:])
        sizes = self.kernel.bytes_from_params(params, threads)
        packed, workspace = self.packed(params, sizes.packed), _buffer(sizes.backward)
        self.kernel.backward(params, packed.data_ptr(), gradients, workspace.data_ptr(), sizes.backward, threads)
        return tuple(made.to(tensor.dtype) for made, tensor in zip(out, inputs, strict=True))

    def _threads(self) -> int:
        return torch.get_num_threads() if self.threads is None else self.threads

    def _checked(self, *tensors: Tensor) -> list[Tensor]:
        if not self.accepts(*tensors):
            raise UsageError(
                "The native scan computes float32 and 16-bit tensors on a CPU only.", "Use the torch form for others."
            )
        return [tensor.detach().to(torch.float32).contiguous() for tensor in tensors]

    def params(self, tensors: Sequence[Tensor], routes: Sequence[int], layout: str) -> Params:
        """`params_from_tensors` for this instruction set."""
        params = params_from_tensors(tensors, routes, layout)
        params.isa = self.isa
        return params

    def packed(self, params: Params, size_bytes: int) -> Tensor:
        """The weights in the kernel's order."""
        packed = _buffer(size_bytes)
        self.kernel.pack(params, packed.data_ptr())
        return packed


def params_from_tensors(tensors: Sequence[Tensor], routes: Sequence[int], layout: str) -> Params:
    """The six tensors for a kernel, float32 and of any device; y is left to the caller.

    Args:
        tensors: u, x_dbl, dt_weight, dt_bias, A, D; contiguous, and they must outlive the result.
        routes: K of 0..3.
        layout: "last" or "first", where the channels stand.

    Raises:
        UsageError: a layout or shape that the operator does not have.
    """
    u, x_dbl, dt_weight, dt_bias, A, D = tensors
    if layout not in ("last", "first"):
        raise UsageError(f"Layout {layout!r} does not exist.", 'Use "last" or "first".')
    ranks = [tensor.ndim for tensor in tensors]
    if ranks != [4, 4, 3, 2, 3, 2]:
        raise UsageError(f"The tensors have {ranks} dimensions, expected 4, 4, 3, 2, 3, 2.", "Give u as (B,H,W,D).")
    rows = slice(1, 3) if layout == "last" else slice(2, 4)
    (height, width), channel = u.shape[rows], 3 if layout == "last" else 1
    k, d, rank, states = len(routes), u.shape[channel], dt_weight.shape[-1], A.shape[-1]
    values = list(u.shape)
    values[channel] = k * (rank + 2 * states)
    expected = (tuple(u.shape), tuple(values), (k, d, rank), (k, d), (k, d, states), (k, d))
    if tuple(tuple(tensor.shape) for tensor in tensors) != expected:
        got = [tuple(tensor.shape) for tensor in tensors]
        raise UsageError(f"The shapes are {got}, expected {list(expected)}.", "Check K, D, N, R and the layout.")
    params = params_from_sizes(u.shape[0], height, width, d, states, rank, routes, BEST_ISA)
    params.u, params.x_dbl = u.data_ptr(), x_dbl.data_ptr()
    params.u_strides, params.x_dbl_strides = _strides(u, layout), _strides(x_dbl, layout)
    params.dt_weight, params.dt_bias = dt_weight.data_ptr(), dt_bias.data_ptr()
    params.A, params.D = A.data_ptr(), D.data_ptr()
    return params


def native_scan(
    folder: Path, compiler: str = "", progress: Callable[[str, float], None] | None = None
) -> NativeScan | None:
    """The native scan of this machine, built if the folder does not have it yet; None where it cannot be.

    Args:
        folder: where native libraries are kept.
        compiler: of C++, as $CXX names it; empty: the system's.
        progress: told why there is none.
    """
    try:
        return NativeScan(NativeKernel(kernel_from_sources(load_cpu().machine, folder, compiler).path))
    except (DeviceError, MachineError, UsageError) as error:  # no compiler, no place, or no kernel for this machine
        if progress:
            progress(f"{error.cause} The slower torch form of the scan runs.", 0.0)
        return None


def _strides(tensor: Tensor, layout: str) -> Strides:
    """Of a contiguous map."""
    row, column, channel = (1, 2, 3) if layout == "last" else (2, 3, 1)
    length, channels = tensor.shape[row] * tensor.shape[column], tensor.shape[channel]
    return Strides(length * channels, *((channels, 1) if layout == "last" else (1, length)))


def _buffer(size_bytes: int) -> Tensor:
    return torch.empty(size_bytes, dtype=torch.uint8)
