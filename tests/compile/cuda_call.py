"""The CUDA kernels on the CPU: their sources and the shim in one library; calls with maps of any type and layout."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compile.kernels.build import SOURCES
from compile.kernels.native import DTYPES, Gradients, Params, Strides, params_from_sizes
from compile.kernels.native_cuda import CudaKernel
from tests.compile.scan_call import Memory, Scan

SHIM = Path(__file__).parent / "shim"
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-fno-strict-aliasing")


@dataclass(frozen=True)
class Device:
    """What the shim pretends to be.

    Attributes:
        processors: multiprocessors; 0: there is no GPU.
        shared_bytes: shared memory that a block may have.
        backwards: whether threads take turns from the last to the first.
    """

    processors: int
    shared_bytes: int
    backwards: bool = False


ORIN = Device(8, 163 * 1024)
H200 = Device(132, 227 * 1024)


def shim_command(compiler: str, output: Path, *extra: str) -> list[str]:
    """The command that compiles the kernels with the shim; `extra` goes before the sources."""
    sources = [str(SOURCES / "cuda" / "launch.cu"), str(SHIM / "fibers.cpp")]
    include = ["-I", str(SHIM), "-include", str(SHIM / "device.h"), "-x", "c++"]
    return [compiler, *FLAGS, *extra, *include, *sources, "-o", str(output)]


class ShimKernel(CudaKernel):
    """The CUDA library with the shim as its GPU.

    Args:
        folder: where to build it.
        compiler: a C++17 compiler.
    """

    def __init__(self, folder: Path, compiler: str = "g++") -> None:
        path = folder / "shim.so"
        subprocess.run(shim_command(compiler, path, "-O2", "-fPIC", "-shared", "-fvisibility=hidden"), check=True)
        super().__init__(path)

    def pretend(self, device: Device) -> None:
        """Be this GPU from now on."""
        numbers = (device.processors, device.shared_bytes, int(device.backwards))
        self._library.shim_set(*map(ctypes.c_int, numbers))


class Operands:
    """The arguments of one call, each in a block of its own that shows what is overrun.

    Args:
        scan: what to compute.
        layout: "last" or "first", of the maps in memory.
        aligned: whether every pointer is a multiple of 64 bytes; else each is a multiple of its element only.
    """

    def __init__(self, scan: Scan, layout: str = "last", aligned: bool = True) -> None:
        u, x_dbl, *weights = scan.tensors
        batch, height, width, d = u.shape
        sizes = (batch, height, width, d, weights[2].shape[2], weights[0].shape[2])
        self.params: Params = params_from_sizes(*sizes, scan.routes, 0)
        self.blocks: dict[str, Memory] = {}
        self._layout, self._aligned = layout, aligned
        y = torch.empty(u.shape, dtype=getattr(torch, scan.y_dtype))
        for name, tensor in {"u": u, "x_dbl": x_dbl, "y": y}.items():
            setattr(self.params, name, self.place(name, tensor))
            setattr(self.params, f"{name}_strides", self.strides(tensor))
            setattr(self.params, f"{name}_dtype", DTYPES[str(tensor.dtype).removeprefix("torch.")])
        self.params.u_scale, self.params.x_dbl_scale, self.params.y_scale = scan.scales
        for name, tensor in zip(("dt_weight", "dt_bias", "A", "D"), weights, strict=True):
            setattr(self.params, name, self.place(name, tensor))

    def place(self, name: str, tensor: Tensor) -> int:
        """Copy a tensor, a map (B,H,W,C) in the chosen layout, into a block; its address."""
        if tensor.ndim == 4 and self._layout == "first":
            tensor = tensor.permute(0, 3, 1, 2)
        data = tensor.contiguous().numpy().reshape(-1).view(np.uint8)
        memory = self.blocks[name] = Memory(len(data), 64 if self._aligned else tensor.element_size())
        memory.bytes[:] = data
        return memory.address

    def workspace(self, size_bytes: int) -> int:
        """A block full of NaN; its address."""
        memory = self.blocks["workspace"] = Memory(size_bytes, 64 if self._aligned else 4)
        memory.bytes[:] = 0xFF
        return memory.address

    def strides(self, tensor: Tensor) -> Strides:
        """Of a map (B,H,W,C) in the chosen layout."""
        _, height, width, channels = tensor.shape
        pixels = height * width
        return Strides(pixels * channels, *((channels, 1) if self._layout == "last" else (1, pixels)))

    def map(self, name: str, like: Tensor, dtype: str) -> NDArray[np.generic]:
        """What lies in the block of a map, channels last; asserts that nothing around any block was written."""
        for memory in self.blocks.values():
            memory.check()
        batch, height, width, channels = like.shape
        shape = (batch, height, width, channels) if self._layout == "last" else (batch, channels, height, width)
        values = self.blocks[name].bytes.view(dtype).reshape(shape)
        return values if self._layout == "last" else np.moveaxis(values, 1, -1)


def forward(
    kernel: CudaKernel, scan: Scan, tactic: int = 0, layout: str = "last", aligned: bool = True
) -> NDArray[np.generic]:
    """y as the kernel wrote it, channels last."""
    operands = Operands(scan, layout, aligned)
    operands.params.tactic = tactic
    operands.blocks["y"].bytes[:] = 0x7F
    size = kernel.bytes_from_params(operands.params).forward
    kernel.forward(operands.params, operands.workspace(size), size, 0)
    return operands.map("y", scan.tensors[0], scan.y_dtype)


def backward(
    kernel: CudaKernel, scan: Scan, upstream: Tensor, layout: str = "last", aligned: bool = True
) -> list[NDArray[np.generic]]:
    """The six gradients as the kernel wrote them, maps channels last."""
    operands = Operands(scan, layout, aligned)
    gradients = Gradients(y=operands.place("gy", upstream), y_strides=operands.strides(upstream))
    names = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
    for name, tensor in zip(names, scan.tensors, strict=True):
        setattr(gradients, name, operands.place(f"g{name}", torch.full_like(tensor, float("nan"))))
    gradients.u_strides, gradients.x_dbl_strides = map(operands.strides, scan.tensors[:2])
    size = kernel.bytes_from_params(operands.params).backward
    kernel.backward(operands.params, gradients, operands.workspace(size), size, 0)
    maps = [
        operands.map(f"g{name}", tensor, "float32") for name, tensor in zip(names[:2], scan.tensors[:2], strict=True)
    ]
    flat = zip(names[2:], scan.tensors[2:], strict=True)
    return maps + [operands.blocks[f"g{name}"].bytes.view("float32").reshape(tuple(t.shape)) for name, t in flat]
