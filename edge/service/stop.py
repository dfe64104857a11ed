"""SIGTERM, SIGINT, SIGHUP: the first ends the service in order, the second at once.

::

    signal --starting--> Told, the start is undone     --serving--> `event`, the loops end
    another -----------> the process ends now: the store is made for that
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the last: the terminal was closed


class Told(KeyboardInterrupt):
    """The start was interrupted by a signal.

    A class of its own: one KeyboardInterrupt that passes text under ``exec`` (every dataclass is made that way) lets
    Python end itself by SIGINT at its exit, though it was caught.
    """


class Stop:
    """Told by a signal; a context manager of the main thread.

    Attributes:
        event: set by the first signal.
        is_serving: set by the service once it is ready: from then on nothing is interrupted in the middle.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.is_serving = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stop:
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup: not SIGHUP
        self._before = {number: signal.signal(number, self._told) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self.event.is_set():
            os._exit(128 + number)
        self.event.set()
        if not self.is_serving:
            raise Told
