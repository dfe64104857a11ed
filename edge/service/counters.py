"""Latencies of the last minute and what else the service counts; pure values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

WINDOW_S = 60.0  # quantiles tell how it is now, not how it was yesterday
WINDOW_MAX = 4096  # answers; a minute at 60 frames/s has 3,600


@dataclass(frozen=True)
class Window:
    """Latencies with their times.

    Attributes:
        items: (monotonic seconds, milliseconds), oldest first.
    """

    items: tuple[tuple[float, float], ...] = ()

    def after(self, latency_ms: float, now_s: float) -> Window:
        """The window with one more, without those that are too old."""
        oldest_s, kept = now_s - WINDOW_S, self.items[-(WINDOW_MAX - 1) :]
        first = next((index for index, (at_s, _) in enumerate(kept) if at_s >= oldest_s), len(kept))
        return Window((*kept[first:], (now_s, latency_ms)))

    def quantile(self, share: float, now_s: float) -> float | None:
        """The smallest latency that `share` of the last minute's do not exceed, milliseconds; None without any.

        Args:
            share: 0..1.
            now_s: monotonic clock, seconds.
        """
        values = sorted(latency_ms for at_s, latency_ms in self.items if at_s >= now_s - WINDOW_S)
        return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


@dataclass(frozen=True)
class Counters:
    """What the service counts since it started.

    Attributes:
        frames: that came from the source.
        dropped: live frames that a newer one replaced.
        stale: live frames that were too old when the child was ready.
        answered: frames with a prediction.
        refused: frames without one: no image that the engine takes, or one that it died on.
        lost: live frames that went down with a child.
        restarts: children lost, by reason.
    """

    frames: int
    dropped: int
    stale: int
    answered: int
    refused: int
    lost: int
    restarts: Mapping[str, int]
