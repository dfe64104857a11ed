"""SelectiveScan2D on device tensors of any type: arguments, launch, and VMamba-T's four stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compile.kernels.native import DTYPES, Params, Strides, params_from_sizes
from compile.kernels.native_cuda import CudaKernel
from tests.compile.scan_call import Scan

ROUTES = (0, 1, 2, 3)
STAGES = ((56, 96, 2), (28, 192, 2), (14, 384, 8), (7, 768, 2))  # side, D, scans of VMamba-T[s1l8] at 224x224


@dataclass
class DeviceScan:
    """One scan's tensors on the device, ready to be launched again and again.

    Attributes:
        kernel: the library.
        params: what it is told.
        tensors: u, x_dbl, four weights: kept alive, and to be overwritten in place.
        y: the result.
        workspace: scratch.
        origin: keeps the routes' memory that a copy of its params points to.
    """

    kernel: CudaKernel
    params: Params
    tensors: tuple[Tensor, ...]
    y: Tensor
    workspace: Tensor
    origin: Params | None = None

    def with_tactic(self, tactic: int) -> DeviceScan:
        """The same tensors in another launch shape, in a workspace of its own."""
        params = Params.from_buffer_copy(self.params)
        params.tactic = tactic
        workspace = torch.empty(self.kernel.bytes_from_params(params).forward, dtype=torch.uint8, device="cuda")
        return DeviceScan(self.kernel, params, self.tensors, self.y, workspace, self.params)

    def launch(self) -> None:
        """Put it on torch's current stream."""
        stream = torch.cuda.current_stream().cuda_stream
        self.kernel.forward(self.params, self.workspace.data_ptr(), self.workspace.numel(), stream)


def on_device(kernel: CudaKernel, scan: Scan, tactic: int = 0, layout: str = "last") -> DeviceScan:
    """A scan's operands on the device, y and workspace full of NaN."""
    u, x_dbl, *weights = (tensor.cuda() for tensor in scan.tensors)
    if layout == "first":
        u, x_dbl = (tensor.permute(0, 3, 1, 2).contiguous() for tensor in (u, x_dbl))
    y = _poisoned(torch.empty(u.shape, dtype=getattr(torch, scan.y_dtype), device="cuda"))
    batch, height, width, d = scan.tensors[0].shape
    sizes = (batch, height, width, d, weights[2].shape[2], weights[0].shape[2])
    params = params_from_sizes(*sizes, scan.routes, 0)
    params.tactic = tactic
    params.u_dtype = params.x_dbl_dtype = DTYPES[str(u.dtype).removeprefix("torch.")]
    params.y_dtype = DTYPES[scan.y_dtype]
    params.u_scale, params.x_dbl_scale, params.y_scale = scan.scales
    for name, tensor in {"u": u, "x_dbl": x_dbl, "y": y}.items():
        channels = tensor.shape[3 if layout == "last" else 1]
        rest = (channels, 1) if layout == "last" else (1, height * width)
        setattr(params, name, tensor.data_ptr())
        setattr(params, f"{name}_strides", Strides(height * width * channels, *rest))
    for name, tensor in zip(("dt_weight", "dt_bias", "A", "D"), weights, strict=True):
        setattr(params, name, tensor.data_ptr())
    workspace = _poisoned(torch.empty(kernel.bytes_from_params(params).forward, dtype=torch.uint8, device="cuda"))
    return DeviceScan(kernel, params, (u, x_dbl, *weights), y, workspace)


def stage_operands(side: int, d: int, batch: int, device: str = "cpu") -> list[Tensor]:
    """Random operands of one of VMamba-T's stages, float32, channels last."""
    generator, k, r = torch.Generator(device).manual_seed(side), len(ROUTES), d // 16
    shapes = [(batch, side, side, d), (batch, side, side, k * (r + 2)), (k, d, r), (k, d), (k, d, 1), (k, d)]
    tensors = [torch.randn(shape, generator=generator, device=device) * 0.5 for shape in shapes]
    tensors[4] = -tensors[4].exp()
    return tensors


def stage_scan(side: int, d: int, batch: int, types: Sequence[str]) -> Scan:
    """The same as stored, on the device and without the truth: for timing."""
    from tests.compile.scan_cases import stored

    tensors = stage_operands(side, d, batch, "cuda")
    (u, u_scale), (x_dbl, x_scale) = (stored(tensor, types[0]) for tensor in tensors[:2])
    return Scan((u, x_dbl, *tensors[2:]), (u_scale, x_scale, 0.05), ROUTES, types[2], torch.zeros(0).double().numpy())


def _poisoned(tensor: Tensor) -> Tensor:
    """All bytes set, so that what a kernel does not write shows."""
    tensor.view(torch.uint8).fill_(0xFF)
    return tensor
