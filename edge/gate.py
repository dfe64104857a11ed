"""The gate frames: what the engine answers against what the float model answered.

::

    gate.frames.npy  uint8 (n,S,S)  --engine-->  logits (n,K)
    gate.logits.npy  float32 (n,K)  float model      |
                                 `----- error of each frame, compared with the manifest's tolerance
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.bundle import Bundle
from edge.errors import GateError, TrustError
from edge.manifest import Manifest
from edge.preprocess import input_from_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.backends import Backend

FRAMES_PART = "gate.frames.npy"
LOGITS_PART = "gate.logits.npy"
LOAD_FRAMES = 4  # answered at every load: enough to notice a wrong kernel or a wrong channel order, some 20 ms


@dataclass(frozen=True)
class GateFrames:
    """Frames and the float model's answers.

    Attributes:
        squares: uint8 (n,S,S).
        logits: float32 (n,K).
    """

    squares: NDArray[np.uint8]
    logits: NDArray[np.float32]


def gate_from_bundle(bundle: Bundle) -> GateFrames:
    """The gate frames of a verified bundle.

    Raises:
        TrustError: their shapes do not fit the manifest.
        DeviceError: the bundle holds none.
    """
    squares, logits = _array(bundle.part(FRAMES_PART)), _array(bundle.part(LOGITS_PART))
    size, classes = bundle.manifest.preprocess.size_px, len(bundle.manifest.labels)
    n = bundle.manifest.gate.n
    fits = squares.dtype == np.uint8 and logits.dtype == np.float32 and len(squares) == len(logits) > 0
    if not fits or squares.shape[1:] != (size, size) or logits.shape[1:] != (classes,):
        raise TrustError(
            f"The gate frames do not fit the manifest ({squares.shape}, {logits.shape}, {n} gate images).",
            "Ask the maker of the bundle for a correct one.",
        )
    return GateFrames(squares, logits)


def scale_from_logits(reference: NDArray[np.float32]) -> float:
    """Root mean square of the float model's logits, each frame's mean taken out: the unit of `errors_from_logits`."""
    return max(float(np.sqrt(np.mean(_centred(reference) ** 2))), float(np.finfo(np.float32).tiny))


def errors_from_logits(
    logits: NDArray[np.float32], reference: NDArray[np.float32], scale: float
) -> NDArray[np.float64]:
    """Distance of an engine's answers from the float model's, one number a frame.

    The root mean square of the difference over the classes, in units of `scale`. Each frame's mean logit is taken out
    first, since the softmax does not see it.

    Args:
        logits: (n,K), the engine's.
        reference: (n,K), the float model's.
        scale: of all gate frames.

    Returns:
        (n,), 0 = equal; infinite where an answer is not finite.
    """
    errors = np.sqrt(np.mean((_centred(logits) - _centred(reference)) ** 2, axis=1)) / scale
    return np.where(np.isfinite(errors), errors, np.inf)


def check_gate(backend: Backend, gate: GateFrames, manifest: Manifest, frames: int) -> float:
    """Let the engine answer some of the gate frames.

    Args:
        backend: the engine.
        gate: all gate frames.
        manifest: of the bundle.
        frames: how many to try, spread evenly over all.

    Returns:
        The largest error.

    Raises:
        GateError: it exceeds the manifest's tolerance, or the engine gives other classes.
    """
    chosen = np.unique(np.linspace(0, len(gate.squares) - 1, frames).round().astype(int))
    logits = np.concatenate(
        [backend.logits_from_input(input_from_square(gate.squares[i], manifest.preprocess)) for i in chosen]
    )
    if logits.shape[1] != gate.logits.shape[1]:
        raise GateError(
            f"The engine gives {logits.shape[1]} logits, the float model {gate.logits.shape[1]}.",
            "Compile the bundle again.",
        )
    worst = float(errors_from_logits(logits, gate.logits[chosen], scale_from_logits(gate.logits)).max())
    if worst > manifest.gate.tolerance:
        raise GateError(
            f"The engine does not answer as the float model: error {worst:.3g} on the gate frames, "
            f"allowed {manifest.gate.tolerance:.3g}.",
            "Run edge doctor; then compile the bundle on this machine: edge compile BUNDLE -o OUT.edge.",
        )
    return worst


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # an answer that is not finite is judged below, not warned about
        centred: NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True, dtype=np.float64)
    return centred


def _array(data: bytes) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise TrustError(
            f"The gate frames are no .npy file: {error}.", "Ask the maker for a correct bundle."
        ) from error
    return array
