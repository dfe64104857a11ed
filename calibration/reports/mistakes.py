"""Evaluation -> the mistakes worth looking at: the surest first."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.evaluate import Evaluation

GALLERY = 24  # pictures; what a person looks through


@dataclass(frozen=True)
class Mistake:
    """One image that the model takes for another plane, or accepts though it is none.

    Attributes:
        file: relative to the label table.
        plane: the most probable one.
        answer: what a person sees.
        probability: of the plane, calibrated, 0..1.
        refused: the device shows no plane here, so that the mistake reaches nobody.
        reason: why it answers so.
    """

    file: str
    label: str
    plane: str
    answer: str
    probability: float
    refused: bool
    reason: str
    machine: str


def mistakes_from_evaluation(evaluation: Evaluation) -> tuple[Mistake, ...]:
    """All of them, the most certain first."""
    found = []
    for sample, truth, prediction in zip(
        evaluation.dataset.samples, evaluation.truth, evaluation.predictions, strict=True
    ):
        if prediction.plane != sample.label and (truth >= 0 or prediction.accepted):
            found.append(
                Mistake(
                    sample.file,
                    sample.label,
                    prediction.plane,
                    prediction.answer,
                    prediction.probability,
                    not prediction.accepted,
                    prediction.reason,
                    sample.machine,
                )
            )
    return tuple(sorted(found, key=lambda mistake: (-mistake.probability, mistake.file)))
