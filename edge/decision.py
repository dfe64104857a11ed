"""When an engine's answer is accepted: measured on the engine itself, stored in its bundle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """Temperature and acceptance threshold of one engine, with what they were measured on.

    Attributes:
        temperature: divides the logits before the softmax; > 0.
        threshold: lowest calibrated probability that is accepted, 0..1; None, not measured: then nothing is.
        n: labelled images it was measured on.
        kept: share of those images that the threshold accepts, 0..1; None without a threshold.
        method: how it was made, one line.
    """

    temperature: float
    threshold: float | None
    n: int
    kept: float | None
    method: str


NOT_MEASURED = Decision(temperature=1.0, threshold=None, n=0, kept=None, method="not measured: no labelled images")
