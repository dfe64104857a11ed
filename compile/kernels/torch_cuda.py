"""SelectiveScan2D in torch on a CUDA device: forward in float32 and float16, analytic backward in float32.

::

    CUDA tensors --data pointers, torch's current stream--> selective_scan.h, ss2d_cuda_* --> y, or the six gradients

An implementation for the operator of `torch_scan.py`, not an operator of its own, as `torch_native.py` is for CPUs. The
workspace comes from torch's allocator, so it lives as long as the stream needs it, and a CUDA graph may hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from compile.kernels.build_cuda import cuda_library_from_sources
from compile.kernels.native import DTYPES, Gradients, Params
from compile.kernels.native_cuda import CudaKernel
from compile.kernels.torch_native import FLOATS, params_from_tensors
from edge.errors import DeviceError, UsageError


@dataclass(frozen=True)
class CudaScan:
    """The operator of `torch_scan.py` on the CUDA kernels, with the methods of `torch_native.NativeScan`.

    Attributes:
        kernel: the library.
        tactic: launch shape, 0 = chosen by the sizes, else 1..kernel.tactics.
    """

    kernel: CudaKernel
    tactic: int = 0

    def accepts(self, *tensors: Tensor) -> bool:
        """Whether the kernels compute these: tensors with data, all on one CUDA device, of at most 32 bits."""
        return all(
            type(tensor) in (Tensor, nn.Parameter)
            and tensor.device.type == "cuda"
            and tensor.device == tensors[0].device
            and tensor.dtype in FLOATS
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
        """y, contiguous, of u's type; arguments as in `torch_scan.selective_scan_2d`. float16 maps stay float16.

        Raises:
            UsageError: a route, layout, type or shape that the operator does not have.
            DeviceError: CUDA refused the launch.
        """
        half = u.dtype == torch.float16 and x_dbl.dtype == torch.float16
        tensors = self._checked((u, x_dbl, dt_weight, dt_bias, A, D), torch.float16 if half else torch.float32)
        params = self._params(tensors, routes, layout)
        y = torch.empty_like(tensors[0])
        params.y, params.y_strides = y.data_ptr(), params.u_strides
        params.u_dtype = params.x_dbl_dtype = params.y_dtype = DTYPES["float16" if half else "float32"]
        with torch.cuda.device(u.device):
            size = self.kernel.bytes_from_params(params).forward
            workspace = torch.empty(size, dtype=torch.uint8, device=u.device)
            stream = torch.cuda.current_stream().cuda_stream
            self.kernel.forward(params, workspace.data_ptr(), size, stream)
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
            DeviceError: as `forward`.
        """
        inputs = (u, x_dbl, dt_weight, dt_bias, A, D)
        grad, *tensors = self._checked((grad, *inputs), torch.float32)
        params = self._params(tensors, routes, layout)
        out = [torch.empty_like(tensor) for tensor in tensors]
        pointers = [tensor.data_ptr() for tensor in (grad, *out)]
        strides = (params.u_strides, params.u_strides, params.x_dbl_strides)
        gradients = Gradients(*pointers[:3], *strides, *pointers[3:])
        with torch.cuda.device(grad.device):
            size = self.kernel.bytes_from_params(params).backward
            workspace = torch.empty(size, dtype=torch.uint8, device=grad.device)
            stream = torch.cuda.current_stream().cuda_stream
            self.kernel.backward(params, gradients, workspace.data_ptr(), size, stream)
        return tuple(made.to(tensor.dtype) for made, tensor in zip(out, inputs, strict=True))

    def _params(self, tensors: Sequence[Tensor], routes: Sequence[int], layout: str) -> Params:
        params = params_from_tensors(tensors, routes, layout)
        params.tactic = self.tactic
        return params

    def _checked(self, tensors: Sequence[Tensor], maps: torch.dtype) -> list[Tensor]:
        """Contiguous, without history; what has four axes in the maps' type, the weights in float32."""
        if not self.accepts(*tensors):
            raise UsageError(
                "The CUDA scan computes float32 and 16-bit tensors on one CUDA device only.",
                "Use the torch form for others.",
            )
        return [tensor.detach().to(maps if tensor.ndim == 4 else torch.float32).contiguous() for tensor in tensors]


def cuda_scan(folder: Path, nvcc: str = "", progress: Callable[[str, float], None] | None = None) -> CudaScan:
    """The scan of this machine's CUDA device, built if the folder does not have it yet.

    Args:
        folder: where native libraries are kept.
        nvcc: the CUDA compiler; empty: the system's.
        progress: called with what is done and the share of it, 0 to 1.

    Raises:
        DeviceError: no CUDA device that torch can use, no CUDA compiler, or it fails.
        MachineError: the folder cannot be written.
    """
    if not torch.cuda.is_available():
        raise DeviceError("There is no CUDA device that torch can use.", "Install a CUDA build of torch and a driver.")
    major, minor = torch.cuda.get_device_capability()
    library = cuda_library_from_sources([10 * major + minor], folder, nvcc=nvcc, progress=progress)
    return CudaScan(CudaKernel(library.path))
