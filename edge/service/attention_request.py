"""A map of the last answer, asked for by any thread and made by the pump's, which alone may speak with the child.

::

    page's thread --png()--> request --carry_out, between two frames--> child --map--> PNG, in the page's thread

A request waits at most PATIENCE_S, and one is under way at a time: maps take the engine at most every second turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.errors import EdgeError, MachineError, UsageError
from edge.exam_watch import AI_OFF_S
from edge.service.answer import Answer
from edge.service.attention_map import MapOutcome, png_from_map
from edge.service.frame import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.manifest import Manifest

PATIENCE_S = 2.0  # a lost child is back by then (child_settings.py); who waits longer has turned to something else
Explain = Callable[[Frame, str], MapOutcome]


@dataclass
class _Request:
    """One caller's; the pump's thread fills it and sets `done`."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    values: NDArray[np.float32] | None = None
    error: EdgeError | None = None


class MapRequests:
    """Between the threads that want a map and the one that makes it."""

    def __init__(self, manifest: Manifest, patience_s: float = PATIENCE_S) -> None:
        """Nobody waits yet.

        Args:
            manifest: of the bundle that answers.
            patience_s: longest wait of one request, the wait for others' included twice at most.
        """
        self._manifest = manifest
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._asked: deque[_Request] = deque()

    def png(self) -> bytes:
        """The last answered frame with the map of its most probable plane, with caption; any thread but the pump's.

        Raises:
            UsageError: there is no frame, or the bundle has no map.
            MachineError: the engine is not there now, or was lost on it.
        """
        request = self._carried_out()
        if request.error is not None:
            raise request.error
        answer, values = request.answer, request.values
        assert answer is not None and answer.prediction is not None and values is not None
        return png_from_map(answer.frame.pixels, values, answer.prediction, self._manifest)

    def carry_out(self, explain: Explain, answer: Answer | None, now_s: float) -> None:
        """Make the map that somebody waits for, if somebody does; the pump's thread.

        Args:
            explain: frame and plane in, its map out.
            answer: the last one with a prediction.
            now_s: monotonic clock, seconds.
        """
        try:
            request = self._asked.popleft()
        except IndexError:
            return
        if answer is None or answer.prediction is None or _is_old(answer.frame, now_s):
            request.error = UsageError(
                "There is no fresh result to explain.", "Wait for a picture and its answer.", "no_result"
            )
        else:
            outcome = explain(answer.frame, answer.prediction.plane)
            request.answer, request.values, request.error = answer, outcome.values, outcome.error
        request.done.set()

    def _carried_out(self) -> _Request:
        away = MachineError("The inference process gives no map now.", "Try again in some seconds.", "map_away")
        if not self._turn.acquire(timeout=self._patience_s):
            raise away
        try:
            request = _Request()
            self._asked.append(request)
            if not request.done.wait(self._patience_s):
                self._asked.clear()
                raise away
            return request
        finally:
            self._turn.release()


def _is_old(frame: Frame, now_s: float) -> bool:
    """Whether the screen shows something else by now; a still stays on it."""
    return not frame.is_still and frame.age_s(now_s) > AI_OFF_S
