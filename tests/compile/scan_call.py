"""One forward pass through the C ABI: maps of any type, layout and alignment, in memory that shows an overrun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compile.kernels.native import DTYPES, NativeKernel, Params, Strides, params_from_sizes
from tests.compile.scan_cases import Case, operands, reference, scale_of, stored, values

GUARD_BYTES = 64
GUARD = 0xA5


@dataclass(frozen=True)
class Scan:
    """Operands as they are stored, and the truth about them.

    Attributes:
        tensors: u, x_dbl (any type), dt_weight, dt_bias, A, D (float32), channels last.
        scales: of u, x_dbl and y.
        routes: numbers of the routes.
        y_dtype: key of `native.DTYPES`.
        expected: y, float64.
    """

    tensors: tuple[Tensor, ...]
    scales: tuple[float, float, float]
    routes: Sequence[int]
    y_dtype: str
    expected: NDArray[np.float64]


def scan_from_case(case: Case, dtypes: Sequence[str] = ("float32",) * 3) -> Scan:
    """A golden case with u, x_dbl and y of these types."""
    return scan_from_operands(operands(*case), case[-1], dtypes)


def scan_from_operands(tensors: Sequence[Tensor], routes: Sequence[int], dtypes: Sequence[str]) -> Scan:
    """Float32 operands with u, x_dbl and y of these types."""
    (u, u_scale), (x_dbl, x_scale) = (stored(tensor, dtype) for tensor, dtype in zip(tensors[:2], dtypes, strict=False))
    weights = tensors[2:]
    expected = reference([values(u, u_scale), values(x_dbl, x_scale), *weights], routes)
    y_scale = scale_of(expected) if dtypes[2] == "int8" else 1.0
    return Scan((u, x_dbl, *weights), (u_scale, x_scale, y_scale), routes, dtypes[2], expected)


class Memory:
    """A block of exactly so many bytes, at an address that is a multiple of `alignment` and of no more.

    Args:
        size_bytes: of the block.
        alignment: bytes; 64 is the fastest, an element's size the least that the ABI takes.
    """

    def __init__(self, size_bytes: int, alignment: int = 64) -> None:
        self._all = np.full(size_bytes + 4 * GUARD_BYTES, GUARD, np.uint8)
        offset = -self._all.ctypes.data % GUARD_BYTES + GUARD_BYTES + alignment % GUARD_BYTES
        self.bytes = self._all[offset : offset + size_bytes]
        self._offset = offset

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self.bytes.ctypes.data)

    def check(self) -> None:
        """Assert that nothing around the block was written."""
        end = self._offset + len(self.bytes)
        assert (self._all[: self._offset] == GUARD).all()
        assert (self._all[end:] == GUARD).all()


def forward(
    kernel: NativeKernel, isa: int, scan: Scan, layout: str = "last", threads: int = 2, aligned: bool = True
) -> NDArray[np.generic]:
    """y as the kernel wrote it, channels last.

    Args:
        kernel: the library.
        isa: a value of `native.ISAS`.
        scan: what to compute.
        layout: "last" or "first", of u, x_dbl and y in memory.
        threads: at most this many.
        aligned: whether every pointer is a multiple of 64 bytes; else each is a multiple of its element only.
    """
    u, x_dbl, *weights = scan.tensors
    batch, height, width, d = u.shape
    sizes = (batch, height, width, d, scan.tensors[4].shape[2], scan.tensors[2].shape[2])
    params = params_from_sizes(*sizes, scan.routes, isa)
    y = torch.empty(u.shape, dtype=getattr(torch, scan.y_dtype))
    maps = {"u": u, "x_dbl": x_dbl, "y": y}
    blocks = {name: _placed(params, name, map_, layout, aligned) for name, map_ in maps.items()}
    params.u_scale, params.x_dbl_scale, params.y_scale = scan.scales
    for name, tensor in zip(("dt_weight", "dt_bias", "A", "D"), weights, strict=True):
        blocks[name] = _memory(tensor.contiguous(), aligned)
        setattr(params, name, blocks[name].address)
    bytes_ = kernel.bytes_from_params(params)
    packed, workspace = (Memory(size, 64 if aligned else 4) for size in (bytes_.packed, bytes_.forward))
    kernel.pack(params, packed.address)
    kernel.forward(params, packed.address, workspace.address, bytes_.forward, threads)
    for block in (*blocks.values(), packed, workspace):
        block.check()
    shape = (batch, height, width, d) if layout == "last" else (batch, d, height, width)
    result = blocks["y"].bytes.view(scan.y_dtype).reshape(shape)
    return result if layout == "last" else np.moveaxis(result, 1, -1)


def _placed(params: Params, name: str, tensor: Tensor, layout: str, aligned: bool) -> Memory:
    _, height, width, channels = tensor.shape
    memory = _memory(tensor if layout == "last" else tensor.permute(0, 3, 1, 2).contiguous(), aligned)
    setattr(params, name, memory.address)
    setattr(params, f"{name}_dtype", DTYPES[str(tensor.dtype).removeprefix("torch.")])
    pixels = height * width
    strides = (pixels * channels, channels, 1) if layout == "last" else (pixels * channels, 1, pixels)
    setattr(params, f"{name}_strides", Strides(*strides))
    return memory


def _memory(tensor: Tensor, aligned: bool) -> Memory:
    memory = Memory(tensor.numel() * tensor.element_size(), 64 if aligned else tensor.element_size())
    memory.bytes[:] = tensor.numpy().reshape(-1).view(np.uint8)
    return memory
