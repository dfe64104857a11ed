"""ONNX Runtime: model bytes in, a ready backend out. The only file of the runtime that imports onnxruntime."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge.cpu import load_cpu
from edge.errors import DeviceError, MachineError
from edge.files import path_from_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_THREADS = 256  # more than any cart computer has cores; keeps a typing error from starting thousands
NOT_WANTED = ["WeightBiasQuantization"]  # it quantizes anew, a scale a tensor, what was left in float on purpose
LOG_ERRORS = 3  # ORT severity: its warnings are for people who build graphs


class OrtBackend:
    """A loaded ONNX Runtime session."""

    def __init__(self, session: Any, version: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.name = f"onnxruntime {version}"

    def logits_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,K)."""
        return self._run("logits", network_input)

    def features_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,h,w,D)."""
        return self._run("features", network_input)

    def close(self) -> None:
        """Free the engine."""
        self._session = None

    def _run(self, output: str, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (array,) = self._session.run([output], {self._input: network_input})
        except Exception as error:  # ORT's exceptions share no base below Exception
            raise _failure(f"ONNX Runtime could not compute {output!r}", error) from error
        return array  # type: ignore[no-any-return]


def ort_from_model(model: bytes, threads: int, spin: bool, libraries: Sequence[bytes] = ()) -> OrtBackend:
    """Load a model that has been verified.

    Args:
        model: ONNX.
        threads: within one operator, 1..256.
        spin: idle threads keep their core busy: a little faster alone, much slower when another process needs the core.
        libraries: custom-op libraries of a verified bundle, for this machine.

    Raises:
        DeviceError: ONNX Runtime is not installed, too old for the model, or refuses it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError("ONNX Runtime is not installed.", "pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(max(threads, 1), MAX_THREADS)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = LOG_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    if load_cpu().saturates:  # u8 x s8 products would overflow in 16 bits; ORT then takes u8 x u8, slower and exact
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        with contextlib.ExitStack() as files:
            for library in libraries:
                options.register_custom_ops_library(files.enter_context(path_from_bytes(library)))
            session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_WANTED
            )
    except Exception as error:  # ORT's exceptions share no base below Exception
        raise _failure(f"ONNX Runtime {onnxruntime.__version__} cannot load the model", error) from error
    return OrtBackend(session, onnxruntime.__version__)


def ort_version() -> str:
    """Version of the installed ONNX Runtime.

    Raises:
        ImportError: there is none, or it cannot be loaded.
    """
    import onnxruntime

    return str(onnxruntime.__version__)


def _failure(what: str, error: Exception) -> DeviceError | MachineError:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    if isinstance(error, MemoryError) or "bad_alloc" in first_line or "Failed to allocate memory" in first_line:
        return MachineError(f"{what}: out of memory.", "Close other programs, or use a smaller model.")
    return DeviceError(
        f"{what}: {first_line}",
        "Check the installation with edge doctor; upgrade onnxruntime or compile the bundle again.",
    )
