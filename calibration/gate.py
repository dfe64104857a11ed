"""The accuracy gate: does the engine answer as the float model does, on images that calibration never saw?

::

    float logits, engine logits, truth -> Gate (macro-F1 of both, drop, agreement, tolerance) -> pass, or GateError
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import macro_f1
from edge.errors import GateError
from edge.gate import errors_from_logits, scale_from_logits
from edge.manifest import Gate

MAX_DROP = 0.3  # points of macro-F1; the project's promise for INT8
MIN_AGREEMENT = 0.99  # share of images
SLACK = 2.0  # a load may deviate by this factor more than the build did: other CPUs round otherwise
MIN_TOLERANCE = 0.02  # of the logits' scale: what float32 on another CPU may differ by, generously
FRAMES = 64  # kept in the bundle


def gate_from_logits(
    reference: NDArray[np.float32],
    logits: NDArray[np.float32],
    truth: Sequence[str],
    labels: Sequence[str],
    reject_labels: Sequence[str],
    skipped: bool = False,
) -> Gate:
    """Compare an engine with the float model.

    Macro-F1 is taken over the images whose label is a plane of the model, with the most probable plane as the answer;
    agreement over all images and all labels.

    Args:
        reference: (M,K), the float model's logits.
        logits: (M,K), the engine's.
        truth: M labels; empty texts where unknown.
        labels: K names in the order of the logits.
        reject_labels: those of them that are no plane.
        skipped: the user switched the gate off; the figures are recorded all the same.

    Raises:
        GateError: an answer is not finite.
    """
    check_finite(reference)
    check_finite(logits)
    planes = [index for index, label in enumerate(labels) if label not in reject_labels]
    names = [labels[index] for index in planes]
    rows = [row for row, label in enumerate(truth) if label in names]
    f1_float = f1_engine = drop = None
    if rows:
        numbers = np.array([names.index(truth[row]) for row in rows])
        f1_float, f1_engine = (macro_f1(numbers, x[rows][:, planes].argmax(1)) for x in (reference, logits))
        drop = 100 * (f1_float - f1_engine)
    worst = float(errors_from_logits(logits, reference, scale_from_logits(reference)).max())
    return Gate(
        n=len(reference),
        assessed=bool(rows),
        skipped=skipped,
        f1_float=f1_float,
        f1_engine=f1_engine,
        drop=drop,
        agreement=float((reference.argmax(1) == logits.argmax(1)).mean()),
        tolerance=max(MIN_TOLERANCE, SLACK * worst),
    )


def check_finite(logits: NDArray[np.float32]) -> None:
    """Refuse answers that are no numbers: whatever gives them is broken, also with the gate switched off.

    Args:
        logits: (M,K).

    Raises:
        GateError: an answer is not finite.
    """
    broken = int((~np.isfinite(logits)).any(1).sum())
    if broken:
        raise GateError(
            f"The answer is not a finite number on {broken} of {len(logits)} images.",
            "Check the model's weights; if the float model is sound, see which layer breaks with --explain DIR.",
        )


def check_passed(gate: Gate, max_drop: float = MAX_DROP) -> None:
    """Refuse an engine that lost accuracy.

    Args:
        gate: what was measured.
        max_drop: largest drop of macro-F1, in points (hundredths).

    Raises:
        GateError: macro-F1 fell by more, or fewer than 99 % of the images get the same class.
    """
    cure = "See which layers with --explain DIR; try other calibration images, --precision fp32, or --gate POINTS."
    if gate.drop is not None and gate.drop > max_drop:
        raise GateError(
            f"The engine lost {gate.drop:.2f} points of macro-F1 on the plane images among {gate.n}; "
            f"{max_drop:.2f} are allowed.",
            cure,
        )
    if gate.agreement is not None and gate.agreement < MIN_AGREEMENT:
        raise GateError(
            f"The engine agrees with the float model on {gate.agreement:.1%} of {gate.n} images, "
            f"expected {MIN_AGREEMENT:.0%}.",
            cure,
        )
