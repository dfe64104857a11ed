"""What a session answers for one frame."""

from __future__ import annotations

from dataclasses import dataclass

NOT_STANDARD = "not_standard"  # the model looked and is not sure enough of any plane
NOT_COVERED = "not_covered"  # the model has no say: an unfit frame, or no measured threshold


@dataclass(frozen=True)
class Prediction:
    """The answer for one frame.

    Attributes:
        plane: most probable plane; always one of the bundle's planes, never a reject label.
        probability: its calibrated probability over all labels, reject labels included, 0..1.
        accepted: whether the answer is that plane.
        answer: what a person sees: the plane, "not_standard" or "not_covered".
        top: planes with their probabilities, most probable first; top[0] is (plane, probability).
        reason: why the answer is what it is, one short sentence.
        latency_ms: from frame to answer, milliseconds.
    """

    plane: str
    probability: float
    accepted: bool
    answer: str
    top: tuple[tuple[str, float], ...]
    reason: str
    latency_ms: float
