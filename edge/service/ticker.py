"""A call at a steady pace in a thread of its own; its failure is kept for who waits for the end of the service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

JOIN_S = 2.0  # a tick may wait for the disk


class Ticker:
    """A context manager: inside of it the call is made every `every_s`.

    Attributes:
        error: what the call raised; the ticker has stopped then and `stop` is set.
    """

    def __init__(self, call: Callable[[], None], every_s: float, stop: threading.Event) -> None:
        """Nothing runs yet.

        Args:
            call: made in the ticker's thread.
            every_s: from the end of one to the begin of the next, seconds.
            stop: ends the ticker; set by it where the call raises.
        """
        self.error: Exception | None = None
        self._call, self._every_s, self._stop = call, every_s, stop
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._closing.wait(self._every_s) and not self._stop.is_set():
            try:
                self._call()
            except Exception as error:  # noqa: BLE001  # a service whose clock stands still must end, and say why
                self.error = error
                self._stop.set()
