"""The service at one moment: what the page, the lamp, systemd and the metrics show."""

from __future__ import annotations

from dataclasses import dataclass

from edge.service.child import ChildState, Readiness
from edge.service.counters import Counters
from edge.service.signal_state import Signal


@dataclass(frozen=True)
class Status:
    """The state of the service.

    Attributes:
        signal: of the source.
        source: its kind.
        ai_on: the last answer is of a frame younger than `exam_watch.AI_OFF_S`; else every view says "AI off".
        age_s: of the last answered frame; None before the first.
        child: where the inference child is.
        readiness: what it said when it was ready.
        cause: why source or child are down, one line; may name a path: for the operator's own screen, never for logs.
        fault: the kind of that error, a word of `edge.service.log`; "" while both run.
        counters: what was counted.
        latency_ms: (share, milliseconds) of the last minute, frame to answer.
    """

    signal: Signal
    source: str
    ai_on: bool
    age_s: float | None
    child: ChildState
    readiness: Readiness | None
    cause: str
    fault: str
    counters: Counters
    latency_ms: tuple[tuple[float, float], ...]

    @property
    def line(self) -> str:
        """For systemd and a terminal."""
        ai, counters = "AI on" if self.ai_on else "AI off", self.counters
        restarts = sum(counters.restarts.values())
        return f"{ai}, signal {self.signal.value}, {counters.answered} answers, {restarts} restarts"
