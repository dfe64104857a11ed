"""The form of the scan that this machine trains with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from compile.kernels.torch_cuda import cuda_scan
from compile.kernels.torch_native import native_scan
from compile.kernels.torch_scan import NativeForm
from edge.errors import DeviceError, MachineError


def scan_from_machine(
    folder: Path, compiler: str = "", progress: Callable[[str, float], None] | None = None
) -> NativeForm | None:
    """The native kernel of the device that torch trains on, built if the folder does not have it yet.

    Args:
        folder: where native libraries are kept.
        compiler: of C++, as $CXX names it; empty: the system's.
        progress: told what is done, and why there is no native kernel.

    Returns:
        The kernel; None: the torch form runs.
    """
    if not torch.cuda.is_available():
        return native_scan(folder, compiler, progress)
    try:
        return cuda_scan(folder, progress=progress)
    except (DeviceError, MachineError) as error:
        if progress:
            progress(f"{error.cause} The slower torch form of the scan runs.", 0.0)
        return None
