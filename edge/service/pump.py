"""The loop of the service: newest frame -> child -> answer, and the state of everything to whoever wants it.

::

    step:  tend the child -> tell the status if it changed or a second is over -> a map, if one is asked for
           -> take a frame -> classify -> on_answer

One thread drives it. A live frame is answered once or not at all; a kept frame (still, freeze) is tried with a second
child if the first dies on it, and comes out in any case, with or without a prediction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from edge.exam_watch import AI_OFF_S
from edge.service.answer import Answer
from edge.service.attention_request import MapRequests
from edge.service.bridge_reader import BridgeReader
from edge.service.child import Child, ChildState
from edge.service.counters import Counters, Window
from edge.service.frame import Frame
from edge.service.log import word_from_error
from edge.service.newest import Newest
from edge.service.reader import Reader
from edge.service.settlement import DROPPED
from edge.service.signal_state import Signal
from edge.service.status import Status

STEP_S = 0.1  # longest wait of one step: a lost signal is told within 0.5 s (signal_state.LOST_AFTER_S + this)
TELL_S = 1.0  # the status is told at least so often: systemd's watchdog and the cart's heartbeat hang on it
DRAIN_STEP_S = 0.02
SHARES = (0.5, 0.9, 0.99)  # latency quantiles
NOTHING = Counters(0, 0, 0, 0, 0, 0, {})


class Pump:
    """Ties a reader, a box of frames and a child together."""

    def __init__(
        self,
        reader: Reader | BridgeReader,
        newest: Newest,
        child: Child,
        on_answer: Callable[[Answer], None],
        on_status: Callable[[Status], None],
        clock: Callable[[], float],
        maps: MapRequests | None = None,
    ) -> None:
        """Nothing runs yet.

        Args:
            reader: started by the caller.
            newest: the box that the reader fills.
            child: starts with the first step unless it runs.
            on_answer: called in the pump's thread, in the order of answers; what it raises ends the service.
            on_status: the same, at every change of signal, AI or child, and each second.
            clock: monotonic, seconds; the one of reader and child.
            maps: who asks for attention maps; None: nobody.
        """
        self._reader, self._newest, self._child = reader, newest, child
        self._on_answer, self._on_status, self._clock = on_answer, on_status, clock
        self._maps = maps
        self._own = NOTHING
        self._window = Window()
        self._answered: Answer | None = None  # the last one with a prediction
        self._again: Frame | None = None  # a kept frame that a child died on
        self._told_key: tuple[Signal, bool, ChildState] | None = None  # a change of these is told at once
        self._told_s = 0.0

    @property
    def is_done(self) -> bool:
        """Whether the source has ended and every frame of it went through."""
        ended = self._reader.state(self._clock()) is Signal.ENDED
        return ended and self._again is None and self._newest.is_empty

    def run(self, stop: threading.Event, until_end: bool = False) -> None:
        """Step until told to stop.

        Args:
            stop: set by another thread or a signal handler.
            until_end: stop as well when the source has ended and all is answered.
        """
        while not stop.is_set() and not (until_end and self.is_done):
            self.step()

    def drain(self, within_s: float) -> None:
        """Answer the frames that may not be dropped and are here; whoever sent them was told that they were taken.

        Args:
            within_s: the end of a service waits no longer, seconds.
        """
        end_s = self._clock() + within_s
        while self._clock() < end_s and not (self._again is None and self._newest.is_empty):
            self.step(DRAIN_STEP_S)

    def step(self, wait_s: float = STEP_S) -> None:
        """One round; returns after about `wait_s` where there is nothing to do."""
        self._child.tend(wait_s)
        self._tell()
        if not self._is_ready():
            if self._child.state is not ChildState.STARTING:  # which has waited in tend
                self._newest.pause(wait_s)
            return
        if self._maps is not None:
            self._maps.carry_out(self._child.explain, self._answered, self._clock())
            if not self._is_ready():  # it died on the map
                return
        frame = self._again or self._newest.take(wait_s)
        if frame is None:
            return
        if not frame.is_kept and frame.age_s(self._clock()) > AI_OFF_S:
            self._own = replace(self._own, stale=self._own.stale + 1)
            frame.settle(DROPPED)
            return
        self._answer(frame)
        self._tell()

    def freeze(self) -> Frame | None:
        """The freeze key was pressed; any thread.

        Returns:
            The frame that will be answered; None where there is no fresh one or the queue is full: say so to the user.
        """
        return self._newest.freeze(self._clock() - AI_OFF_S)

    def status(self) -> Status:
        """The state now; any thread."""
        now_s, answer, child = self._clock(), self._answered, self._child
        error = child.error or self._reader.error
        quantiles = ((share, self._window.quantile(share, now_s)) for share in SHARES)
        age_s = None if answer is None else answer.frame.age_s(now_s)
        return Status(
            signal=self._reader.state(now_s),
            source=self._reader.kind,
            ai_on=self._is_on(now_s),
            age_s=age_s,
            child=child.state,
            readiness=child.readiness,
            cause=error.cause if error else "",
            fault=word_from_error(error) if error else "",
            counters=self._counters(),
            latency_ms=tuple((share, value) for share, value in quantiles if value is not None),
        )

    def _counters(self) -> Counters:
        counts, restarts = self._newest.counts, dict(self._child.restarts)
        return replace(self._own, frames=counts.frames, dropped=counts.dropped, restarts=restarts)

    def _answer(self, frame: Frame) -> None:
        outcome, was_again = self._child.classify(frame), self._again is not None
        if outcome.is_lost and frame.is_kept and not was_again:
            self._again = frame
            return
        self._again = None
        if outcome.is_lost and not frame.is_kept:
            self._own = replace(self._own, lost=self._own.lost + 1)
            frame.settle(DROPPED)
            return
        answer = Answer(frame, outcome.prediction, outcome.reason, self._clock())
        if answer.prediction is None:
            self._own = replace(self._own, refused=self._own.refused + 1)
        else:
            self._own = replace(self._own, answered=self._own.answered + 1)
            self._window = self._window.after(answer.age_s * 1e3, answer.answered_s)
            self._answered = answer
        self._on_answer(answer)

    def _tell(self) -> None:
        now_s = self._clock()
        key = self._reader.state(now_s), self._is_on(now_s), self._child.state
        if key != self._told_key or now_s - self._told_s >= TELL_S:
            self._told_key, self._told_s = key, now_s
            self._on_status(self.status())

    def _is_ready(self) -> bool:
        return self._child.state is ChildState.READY

    def _is_on(self, now_s: float) -> bool:
        return self._answered is not None and self._answered.frame.age_s(now_s) <= AI_OFF_S
