"""The inference child as the service sees it: frames in, outcomes out, and a new process whenever one is lost.

::

    spawn -> STARTING --ready--> READY --frame--> answer
               |  failed, dead, too slow   |  dead, silent for longer than the time-out
               '----------> WAITING <------'
                               | backoff, see child_settings.py
                               '--> spawn

Driven by one thread. At most one frame is in the child's hands, so nothing is answered twice or out of order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import DeviceError, EdgeError, GateError, InputError, MachineError, TrustError, UsageError
from edge.manifest import Notice
from edge.prediction import Prediction
from edge.record import RecordError
from edge.service.answer import prediction_from_json
from edge.service.attention_map import MapOutcome, map_from_json
from edge.service.channel import ChannelClosed
from edge.service.child_settings import HEARTBEAT_S, STABLE_S, ChildSettings, backoff_s
from edge.service.frame import Frame
from edge.service.process import Process, process_from_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOING_S = 0.3  # from the end of a channel to the end of its process; only then it is known what ended it
CHANGED = "The bundle was exchanged while the service ran: its digest is another one."
ERRORS = {
    error.exit_code: error for error in (MachineError, UsageError, InputError, DeviceError, GateError, TrustError)
}


class ChildState(Enum):
    """Where the child is."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"  # dead, the next start is due later
    CLOSED = "closed"


@dataclass(frozen=True)
class Readiness:
    """What a child said when it was ready.

    Attributes:
        digest: of the bundle, hexadecimal.
        backend: what runs the network, with its version.
        notices: what a person must be told.
        network: how it is kept off the network, see `edge.service.confinement`.
    """

    digest: str
    backend: str
    notices: tuple[Notice, ...]
    network: str


@dataclass(frozen=True)
class Outcome:
    """What became of one frame.

    Attributes:
        prediction: the answer, or None.
        reason: why there is none.
        is_lost: the child died on it: another one may answer it.
    """

    prediction: Prediction | None
    reason: str = ""
    is_lost: bool = False


class Child:
    """One inference child after the other.

    Attributes:
        state: where it is.
        readiness: of the last child that was ready; None before the first.
        error: why the last one did not start; None after one did.
        restarts: how often one was lost, by reason: "killed", "hung", "memory", "exited", "nonsense", "failed".
    """

    def __init__(self, settings: ChildSettings, clock: Callable[[], float]) -> None:
        self.state = ChildState.WAITING
        self.readiness: Readiness | None = None
        self.error: EdgeError | None = None
        self.restarts: Counter[str] = Counter()
        self._settings = settings
        self._clock = clock
        self._process: Process | None = None
        self._due_s = clock()
        self._since_s = 0.0  # of the state
        self._heard_s = 0.0
        self._deaths = 0

    @property
    def pid(self) -> int | None:
        """Number of the running process."""
        return self._process.pid if self._process else None

    def start(self) -> Readiness:
        """Start the first child and wait for it.

        Raises:
            EdgeError: the bundle cannot be opened, or the child died or took too long.
        """
        while self.state is not ChildState.READY:
            if self.state is ChildState.CLOSED:
                raise UsageError("The inference child is closed.", "Make another one.")
            self.tend(0.1)
            if self.restarts:
                cure = "Run edge verify on the bundle; look at memory and system log."
                raise self.error or MachineError(f"The inference process ended: {next(iter(self.restarts))}.", cure)
        assert self.readiness is not None
        return self.readiness

    def tend(self, wait_s: float) -> None:
        """Spawn, hear and bury as is due.

        Args:
            wait_s: at most so long, while a child is starting or waited for.
        """
        now_s = self._clock()
        if self.state is ChildState.WAITING and now_s >= self._due_s:
            self._spawn(now_s)
        if self.state is ChildState.STARTING:
            self._hear_start(wait_s)
        elif self.state is ChildState.READY and now_s - self._heard_s > HEARTBEAT_S:
            self._ask({"kind": "ping"}, self._settings.frame_timeout_s, "pong")

    def classify(self, frame: Frame) -> Outcome:
        """Answer one frame, or say why not; the child must be ready."""
        process = self._process
        if process is None or self.state is not ChildState.READY:
            return Outcome(None, "no child", is_lost=True)
        if not _fits(frame.pixels, process.memory.size_bytes):
            told = f"{frame.pixels.shape}, {frame.pixels.dtype}"
            return Outcome(None, f"No frame of at most {process.memory.size_bytes} bytes: {told}.")
        reply = self._ask_about(frame, process, {"kind": "frame"}, "answer")
        if reply is None:
            return Outcome(None, "The inference process was lost on this frame.", is_lost=True)
        if reply["kind"] == "refused":
            return Outcome(None, str(reply.get("cause")))
        try:
            return Outcome(prediction_from_json(reply["prediction"]))
        except (RecordError, KeyError):
            self._bury("nonsense")
            return Outcome(None, "The inference process answered nonsense.", is_lost=True)

    def explain(self, frame: Frame, plane: str) -> MapOutcome:
        """Where the engine sees a plane in a frame that it has answered."""
        process = self._process
        if process is None or self.state is not ChildState.READY or not _fits(frame.pixels, process.memory.size_bytes):
            return _no_map("The inference process is not there now.")
        reply = self._ask_about(frame, process, {"kind": "attention", "plane": plane}, "map")
        if reply is None:
            return _no_map("The inference process was lost on the attention map.")
        if reply["kind"] == "refused":
            return MapOutcome(None, error_from_message(reply))
        try:
            return MapOutcome(map_from_json(reply))
        except RecordError:
            self._bury("nonsense")
            return _no_map("The inference process answered nonsense.")

    def close(self) -> None:
        """End the child for good."""
        if self._process is not None:
            self._process.end()
            self._process = None
        self.state = ChildState.CLOSED

    def _ask_about(
        self, frame: Frame, process: Process, request: Mapping[str, Any], kind: str
    ) -> Mapping[str, Any] | None:
        """The reply of its kind or "refused" to a question about one frame; None where the child was lost instead."""
        height, width = frame.pixels.shape[:2]
        process.memory.write(frame.pixels)
        about = {**request, "sequence": frame.sequence, "shape": list(frame.pixels.shape)}
        reply = self._ask(about, self._settings.timeout_s(height * width), kind, "refused")
        if reply is not None and reply.get("sequence") != frame.sequence:
            self._bury("nonsense")
            return None
        return reply

    def _ask(self, request: Mapping[str, Any], timeout_s: float, *kinds: str) -> Mapping[str, Any] | None:
        """The reply; None where the child was lost instead."""
        assert self._process is not None
        channel = self._process.channel
        try:
            channel.send(request)
            reply = channel.receive(timeout_s)
        except ChannelClosed:
            self._bury()
            return None
        if reply is None or reply.get("kind") not in kinds:
            self._bury("hung" if reply is None else "nonsense")
            return None
        self._heard_s = self._clock()
        return reply

    def _spawn(self, now_s: float) -> None:
        """Start a process; what the machine has no room for is tried again as after a death: the exam goes on."""
        try:
            self._process = process_from_settings(self._settings)
        except OSError as error:
            told = f"The inference process cannot be started: {error.strerror}."
            self.error = MachineError(told, "Close other programs; look at memory and the number of processes.")
            self._count("failed", now_s)
            return
        self.state, self._since_s = ChildState.STARTING, now_s

    def _hear_start(self, wait_s: float) -> None:
        assert self._process is not None
        try:
            message = self._process.channel.receive(wait_s)
        except ChannelClosed:
            self._bury()
            return
        now_s = self._clock()
        if message is None:
            if now_s - self._since_s > self._settings.start_timeout_s:
                self._bury("hung")
        elif message.get("kind") == "ready":
            try:
                readiness = _readiness_from_message(message)
            except RecordError:
                self._bury("nonsense")
                return
            self._settle(readiness, now_s)
        else:
            self.error = error_from_message(message)
            self._bury("failed")

    def _settle(self, readiness: Readiness, now_s: float) -> None:
        """A child is ready; one with another bundle than the service's is none of it."""
        if self._settings.digest not in ("", readiness.digest):
            self.error = TrustError(CHANGED, "Restart the service to take the new bundle.")
            self._bury("failed")
            return
        self.readiness, self.error = readiness, None
        self.state, self._since_s, self._heard_s = ChildState.READY, now_s, now_s

    def _bury(self, reason: str | None = None) -> None:
        """Count a death, and set when the next start is due."""
        assert self._process is not None
        found, self._process = self._process.end(0.0 if reason else GOING_S), None
        self._count(reason or found, self._clock())

    def _count(self, reason: str, now_s: float) -> None:
        self.restarts[reason] += 1
        was_stable = self.state is ChildState.READY and now_s - self._since_s > STABLE_S
        self._deaths = 1 if was_stable else self._deaths + 1
        self.state, self._since_s = ChildState.WAITING, now_s
        self._due_s = now_s + backoff_s(self._deaths)


def error_from_message(message: Mapping[str, Any]) -> EdgeError:
    """The error that the child told of."""
    code = message.get("exit_code")
    error = ERRORS.get(code, MachineError) if isinstance(code, int) else MachineError
    return error(str(message.get("cause")), str(message.get("cure")), str(message.get("word", "")))


def _fits(pixels: NDArray[np.uint8], size_bytes: int) -> bool:
    return pixels.ndim >= 2 and pixels.dtype == np.uint8 and 0 < pixels.nbytes <= size_bytes


def _no_map(cause: str) -> MapOutcome:
    return MapOutcome(None, MachineError(cause, "Try again in some seconds.", "map_away"))


def _readiness_from_message(message: Mapping[str, Any]) -> Readiness:
    """As strictly as a stranger's word.

    Raises:
        RecordError: it is none.
    """
    pairs = message.get("notices", [])
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise RecordError("the notices are no pairs")
    notices = tuple(Notice(str(en), str(zh)) for en, zh in pairs)
    return Readiness(str(message.get("digest")), str(message.get("backend")), notices, str(message.get("network")))
