"""How a bridge shows itself: to systemd, and to whoever started it, without a word about a patient.

::

    ready     one line, once                                      READY=1
    state     a line at each change, and every FIGURES_S          STATUS=..., WATCHDOG=1
    ended     the counts, once                                    STOPPING=1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge.service.notify import Notifier

if TYPE_CHECKING:
    from firmware_bridge.video.live_sender import LiveSender

SCHEMA = 1
FIGURES_S = 60.0
TELL_S = 1.0  # a sign of life for systemd's watchdog


class BridgeScreen:
    """Called in the bridge's main thread: as long as it is, the bridge works."""

    def __init__(self, name: str, notifier: Notifier, show: Callable[[Mapping[str, Any]], None]) -> None:
        """Nothing is shown yet.

        Args:
            name: of the bridge.
            notifier: systemd, or nobody.
            show: takes one document, e.g. writes it as a line.
        """
        self._name, self._notifier, self._show = name, notifier, show
        self._key: tuple[object, ...] = ()
        self._told_s = self._shown_s = float("-inf")

    def ready(self, **facts: object) -> None:
        """The bridge runs."""
        self._show({"schema": SCHEMA, "bridge": self._name, "event": "ready", **facts})
        self._notifier.send("READY=1")

    def take(self, sender: LiveSender, dropped: int, now_s: float, figures: Mapping[str, object]) -> None:
        """Show what is due.

        Args:
            sender: what became of the frames.
            dropped: frames that a newer one replaced.
            now_s: monotonic, seconds.
            figures: the bridge's own counts.
        """
        note, error = sender.told, sender.error or sender.refusal
        signal = note.signal.value if note else "lost"
        cause = error.cause if error else note.cause if note else ""
        cure = error.cure if error else note.cure if note else ""
        if now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            self._notifier.send("WATCHDOG=1", f"STATUS=signal {signal}, {sender.counts.sent} frames sent")
        key = signal, cause
        if key == self._key and now_s - self._shown_s < FIGURES_S:
            return
        self._key, self._shown_s = key, now_s
        self._show_state("state", sender, dropped, {"signal": signal, "cause": cause, "cure": cure, **figures})

    def ended(self, sender: LiveSender, dropped: int, figures: Mapping[str, object]) -> None:
        """The bridge was told to stop: its counts, a last time."""
        self._show_state("ended", sender, dropped, figures)

    def _show_state(self, event: str, sender: LiveSender, dropped: int, figures: Mapping[str, object]) -> None:
        counts = {**asdict(sender.counts), "dropped": dropped}
        self._show({"schema": SCHEMA, "bridge": self._name, "event": event, **counts, **figures})
