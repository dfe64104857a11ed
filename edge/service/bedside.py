"""What the API is given of the running plane check; `edge/service/plane_check.py` is it, tests may script another.

Every method may be called from any thread and returns within milliseconds, but for `attention_png` and `settle_frame`,
which wait for the engine.
"""

from __future__ import annotations

from typing import Protocol

from edge.service.frame import Frame
from edge.service.orders import Order
from edge.service.signal_note import SignalNote
from edge.service.view import View


class Bedside(Protocol):
    """The plane check, as a page, a cart or a program may use it."""

    def view(self) -> View:
        """Everything to show, now."""
        ...

    def carry_out(self, order: Order) -> None:
        """Do what the user said; on return it is durable, but for a freeze, whose capture is a moment later.

        Raises:
            UsageError: there is no such exam, plane, fetus or frame, or the exam does not take the order now.
            MachineError: the disk is full or failed; nothing was changed.
        """
        ...

    def live_jpeg(self, newer_than: int) -> tuple[int, bytes] | None:
        """The newest live frame, gray, its longer side at most 1024 px; None where there is none newer.

        Args:
            newer_than: number of the frame that the caller has; -1 for none.
        """
        ...

    def attention_png(self) -> bytes:
        """The newest frame with the engine's map of its most probable plane over it, with caption.

        Raises:
            UsageError: there is no frame, or the bundle has no map.
            MachineError: the engine is not there now.
        """
        ...

    def picture(self, exam: str, frame: str) -> bytes:
        """JPEG of a stored capture.

        Raises:
            UsageError: there is no such exam or picture.
        """
        ...

    def metrics(self) -> str:
        """Prometheus text."""
        ...

    def put_frame(self, frame: Frame) -> bool:
        """Take a frame that a bridge sends; waits while it is a still and the queue is full.

        Returns:
            Whether it was taken.
        """
        ...

    def settle_frame(self, frame: Frame) -> tuple[bool, str | None]:
        """Take a frame that a bridge sends, and wait for what becomes of it, some seconds at most.

        Returns:
            Whether it was taken; then the word of `edge.service.settlement`, or None where nothing is known yet: the
            bridge sends the same frame under the same name again.
        """
        ...

    def tell_signal(self, note: SignalNote) -> None:
        """Take what a bridge says of its signal.

        Raises:
            UsageError: the service's frames come from elsewhere.
        """
        ...
