"""The native library for Python: the structs of selective_scan.h, and a status that is not OK as an exception.

In: pointers and sizes. Out: what the kernel wrote there. Nothing here knows numpy or torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from edge.errors import DeviceError, UsageError

ABI = 2
BEST_ISA = 0
DTYPES = {"float32": 0, "float16": 1, "int8": 2}
ISAS = {"x86-64-v2": 1, "x86-64-v3": 2, "x86-64-v4": 3, "neon": 4}
UNSUPPORTED = (1, 5, 6)  # statuses that the device or build is to blame for, not the caller

_pointer, _int32, _int64, _size = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t


class Strides(ctypes.Structure):
    """ss2d_strides, in elements."""

    _fields_ = [(name, _int64) for name in ("batch", "pixel", "channel")]


class Params(ctypes.Structure):
    """ss2d_params."""

    _fields_ = [
        *((name, _int32) for name in ("abi", "isa", "tactic", "u_dtype", "x_dbl_dtype", "y_dtype")),
        *((name, ctypes.c_float) for name in ("u_scale", "x_dbl_scale", "y_scale")),
        *((name, _int32) for name in ("batch", "height", "width")),
        *((name, _int32) for name in ("d_inner", "d_state", "dt_rank", "routes_n")),
        ("routes", ctypes.POINTER(_int32)),
        *((name, _pointer) for name in ("u", "x_dbl", "y")),
        *((name, Strides) for name in ("u_strides", "x_dbl_strides", "y_strides")),
        *((name, _pointer) for name in ("dt_weight", "dt_bias", "A", "D")),
    ]


class Gradients(ctypes.Structure):
    """ss2d_gradients."""

    _fields_ = [
        *((name, _pointer) for name in ("y", "u", "x_dbl")),
        *((name, Strides) for name in ("y_strides", "u_strides", "x_dbl_strides")),
        *((name, _pointer) for name in ("dt_weight", "dt_bias", "A", "D")),
    ]


class Bytes(ctypes.Structure):
    """ss2d_bytes."""

    _fields_ = [(name, _size) for name in ("packed", "forward", "backward")]


class Parallel(ctypes.Structure):
    """ss2d_parallel."""

    _fields_ = [("run", _pointer), ("context", _pointer)]


class NativeKernel:
    """The library at work.

    Args:
        path: of the library; one that this program built or verified, for loading it runs its code.

    Attributes:
        isas: names of the instruction sets that this library can use here, the best one last.

    Raises:
        DeviceError: it cannot be loaded on this machine.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise DeviceError(f"{path} cannot be loaded: {error}", "Build it again on this machine.") from error
        self._library.ss2d_text_from_status.restype = ctypes.c_char_p
        self._run = ctypes.cast(self._library.ss2d_run_on_threads, _pointer).value
        best = self._library.ss2d_best_isa()
        self.isas = tuple(name for name, number in ISAS.items() if number <= best and (number == 4) == (best == 4))

    def bytes_from_params(self, params: Params, slots: int = 1) -> Bytes:
        """What to allocate for pack, forward and backward."""
        sizes = Bytes()
        self._call("ss2d_bytes_from_params", ctypes.byref(params), _int32(slots), ctypes.byref(sizes))
        return sizes

    def pack(self, params: Params, packed: int) -> None:
        """Write the weights in the kernel's order to the address `packed`."""
        self._call("ss2d_pack", ctypes.byref(params), _pointer(packed))

    def forward(self, params: Params, packed: int, workspace: int, workspace_bytes: int, threads: int) -> None:
        """Write y."""
        parallel = self._parallel(threads)
        arguments = (_pointer(packed), _pointer(workspace), _size(workspace_bytes), ctypes.byref(parallel))
        self._call("ss2d_forward", ctypes.byref(params), *arguments)

    def backward(
        self, params: Params, packed: int, gradients: Gradients, workspace: int, workspace_bytes: int, threads: int
    ) -> None:
        """Write the six gradients; one slot a thread."""
        parallel = self._parallel(threads)
        arguments = (_int32(threads), _pointer(workspace), _size(workspace_bytes), ctypes.byref(parallel))
        self._call("ss2d_backward", ctypes.byref(params), _pointer(packed), ctypes.byref(gradients), *arguments)

    def _parallel(self, threads: int) -> Parallel:
        count = _int32(threads)
        parallel = Parallel(self._run, ctypes.addressof(count))
        parallel._kept = count  # the struct holds its address only
        return parallel

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            text = self._library.ss2d_text_from_status(status).decode()
            kind = DeviceError if status in UNSUPPORTED else UsageError
            raise kind(f"SelectiveScan2D: {text}.", "See selective_scan.h for what it accepts.")


def params_from_sizes(
    batch: int, height: int, width: int, d_inner: int, d_state: int, dt_rank: int, routes: Sequence[int], isa: int
) -> Params:
    """ss2d_params with sizes and routes; the caller adds pointers and strides.

    Args:
        batch: B.
        height: H.
        width: W.
        d_inner: D.
        d_state: N.
        dt_rank: R.
        routes: K of 0..3.
        isa: a value of ISAS, or BEST_ISA.
    """
    kept = (_int32 * len(routes))(*routes)
    params = Params(abi=ABI, isa=isa, batch=batch, height=height, width=width)
    params.d_inner, params.d_state, params.dt_rank = d_inner, d_state, dt_rank
    params.routes_n, params.routes = len(routes), kept
    return params
