"""A status to those who watch over the service: systemd, and the log. Not to the user: that is the page's.

::

    Status, at every change and each second -> WATCHDOG=1, STATUS=...     systemd
                                            -> "state", "child_lost"      log, when it changes
                                            -> "figures"                  log, every minute
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.service.log import Log
from edge.service.notify import Notifier
from edge.service.status import Status
from edge.service.temperature import load_temperatures

FIGURES_S = 60.0  # the window of the latencies


class Teller:
    """Called in the pump's thread: as long as it is called the service works, which is what a watchdog asks."""

    def __init__(self, notifier: Notifier, log: Log, clock: Callable[[], float]) -> None:
        """Nothing has been told.

        Args:
            notifier: systemd, or nobody.
            log: of the service.
            clock: monotonic, seconds.
        """
        self._notifier, self._log, self._clock = notifier, log, clock
        self._state: Mapping[str, object] = {}
        self._restarts: Mapping[str, int] = {}
        self._figures_s = clock()

    def take_status(self, status: Status) -> None:
        """Tell what is due."""
        self._notifier.send("WATCHDOG=1", f"STATUS={status.line}")
        state = {"signal": status.signal.value, "ai_on": status.ai_on, "child": status.child.value}
        state |= {"reason": status.fault} if status.fault else {}
        if state != self._state:
            self._state = state
            self._log.write("state", source=status.source, **state)
        for reason, count in status.counters.restarts.items():
            if count > self._restarts.get(reason, 0):
                self._log.write("child_lost", reason=reason, restarts=count)
        self._restarts = dict(status.counters.restarts)
        now_s = self._clock()
        if now_s - self._figures_s >= FIGURES_S:
            self._figures_s = now_s
            self._log.write("figures", **_figures(status))


def _figures(status: Status) -> dict[str, object]:
    counters, latency_ms = status.counters, dict(status.latency_ms)
    figures: dict[str, object] = {
        name: getattr(counters, name) for name in ("frames", "dropped", "stale", "answered", "refused", "lost")
    }
    figures |= {f"p{share * 100:.0f}_ms": round(value, 1) for share, value in latency_ms.items() if share != 0.9}
    temperatures = load_temperatures().values()
    return figures | ({"celsius": max(temperatures)} if temperatures else {})
