"""The CUDA library for Python: the ss2d_cuda_* functions of selective_scan.h on device pointers.

In: pointers, sizes and a stream. Out: work put on that stream. Nothing here knows torch, and nothing waits.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from compile.kernels.native import UNSUPPORTED, Bytes, Gradients, Params
from edge.errors import DeviceError, UsageError

LAUNCH_FAILED = 9


class CudaKernel:
    """The library at work, on the device that is current for the calling thread.

    Args:
        path: of the library; one that this program built or verified, for loading it runs its code.

    Attributes:
        tactics: number of launch shapes; `Params.tactic` is 0 (chosen by the sizes) or 1..tactics.

    Raises:
        DeviceError: it cannot be loaded on this machine.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise DeviceError(f"{path} cannot be loaded: {error}", "Build it again on this machine.") from error
        self._library.ss2d_text_from_status.restype = ctypes.c_char_p
        self.tactics = int(self._library.ss2d_cuda_tactics())

    def bytes_from_params(self, params: Params) -> Bytes:
        """What to allocate as workspace; nothing is packed."""
        sizes = Bytes()
        self._call("ss2d_cuda_bytes_from_params", ctypes.byref(params), ctypes.byref(sizes))
        return sizes

    def forward(self, params: Params, workspace: int, workspace_bytes: int, stream: int) -> None:
        """Put the writing of y on a stream.

        Args:
            params: sizes, device pointers, strides; routes in host memory.
            workspace: device address.
            workspace_bytes: its size, at least what `bytes_from_params` says.
            stream: a cudaStream_t as a number.

        Raises:
            UsageError: arguments that no library would take.
            DeviceError: this library or device cannot do it.
        """
        rest = (ctypes.c_void_p(workspace), ctypes.c_size_t(workspace_bytes), ctypes.c_void_p(stream))
        self._call("ss2d_cuda_forward", ctypes.byref(params), *rest)

    def backward(self, params: Params, gradients: Gradients, workspace: int, workspace_bytes: int, stream: int) -> None:
        """Put the writing of the six gradients on a stream; arguments and errors as in `forward`."""
        rest = (ctypes.c_void_p(workspace), ctypes.c_size_t(workspace_bytes), ctypes.c_void_p(stream))
        self._call("ss2d_cuda_backward", ctypes.byref(params), ctypes.byref(gradients), *rest)

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            text = self._library.ss2d_text_from_status(status).decode()
            kind = DeviceError if status in (*UNSUPPORTED, LAUNCH_FAILED) else UsageError
            raise kind(f"SelectiveScan2D on CUDA: {text}.", "See selective_scan.h for what it accepts.")
