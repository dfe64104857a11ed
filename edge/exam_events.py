"""What happens in an exam, one frozen dataclass an event. The exam is the fold of these (`edge/exam.py`).

::

    machine  Captured (by machine, freeze or store)        user   Confirmed  NotObtainable  TakenBack  Reassigned
    service  Opened  Paused  Continued  Ended                     Unassigned  FetusSwitched  OperatorNamed
             ModelChanged  ClockRestarted

In: an event, or its JSON from the store. Out: the other of the two. Single frames are no events: an exam has tens of
thousands of them, of which only captures matter afterwards; `edge/exam_watch.py` turns frames into `Captured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import InputError
from edge.exam_keys import ExamKey
from edge.protocol import Protocol
from edge.record import RecordError, json_from_record, record_from_json

BY_MACHINE = "machine"  # k consistent frames
BY_FREEZE = "freeze"  # the freeze key: the best frame around the press
BY_STORE = "store"  # a still image that the sonographer sent


@dataclass(frozen=True)
class Capture:
    """A stored frame and what the model said of it.

    Attributes:
        frame: names the frame in the exam; its JPEG lies in the store under this name.
        digest: of its gray ROI (`edge.frame_quality.digest_from_gray`): the same picture has the same.
        fetus: 1, 2, ...
        answer: plane that the model named, or "not_standard" or "not_covered".
        probability: calibrated, of the most probable plane, 0..1; for the score, not for people.
        quality: of the image, 0..1.
        confidence: "low", "medium" or "high" (`edge.confidence`); None where the bundle has no threshold.
        low_quality: weak image, or fewer consistent frames than a capture asks for.
        source: "machine", "freeze" or "store".
        bundle: digest of the bundle that answered, hexadecimal.
        wall: when, ISO 8601, UTC.
    """

    frame: str
    digest: str
    fetus: int
    answer: str
    probability: float
    quality: float
    confidence: str | None
    low_quality: bool
    source: str
    bundle: str
    wall: str

    @property
    def score(self) -> float:
        """What the best frame is chosen by: calibrated probability x image quality, 0..1."""
        return self.probability * self.quality


@dataclass(frozen=True)
class Event:
    """What every event carries.

    Attributes:
        exam: id of the exam; the fold ignores the events of another one.
        at_s: monotonic clock, seconds: every decision.
        wall: ISO 8601, UTC: for records only.
        by: operator, "unauthenticated", or "machine".
    """

    exam: str
    at_s: float
    wall: str
    by: str


@dataclass(frozen=True)
class Opened(Event):
    """An exam begins.

    Attributes:
        key: patient and study.
        protocol: the whole of it, so that an old exam reads the same after an update of the protocol.
        covered: ids of planes that the bundle answers.
        threshold: lowest accepted probability of the bundle; None, not measured: the machine captures nothing.
        bundle: its digest.
        fetuses: how many are known to be there, at least 1.
    """

    key: ExamKey
    protocol: Protocol
    covered: tuple[str, ...]
    threshold: float | None
    bundle: str
    fetuses: int


@dataclass(frozen=True)
class Paused(Event):
    """Live frames are ignored and the time since the last progress stands still."""


@dataclass(frozen=True)
class Continued(Event):
    """The end of a pause."""


@dataclass(frozen=True)
class Ended(Event):
    """No frame is taken any more; the user may still correct."""


@dataclass(frozen=True)
class ClockRestarted(Event):
    """The service re-opened a stored exam: `at_s` and what follows are on a new monotonic clock."""


@dataclass(frozen=True)
class ModelChanged(Event):
    """The exam goes on with another bundle; fields as in Opened."""

    covered: tuple[str, ...]
    threshold: float | None
    bundle: str


@dataclass(frozen=True)
class FetusSwitched(Event):
    """From now on frames are of this fetus; a number not seen before adds a fetus."""

    fetus: int


@dataclass(frozen=True)
class OperatorNamed(Event):
    """From now on `by` examines; until then nobody was named, or another one."""


@dataclass(frozen=True)
class Captured(Event):
    """A frame was kept; plane None: no plane was named, it waits in the tray for the user."""

    plane: str | None
    capture: Capture


@dataclass(frozen=True)
class Confirmed(Event):
    """The user says that this plane is done, with the stored frame, the offered one, or none (saved on the scanner)."""

    plane: str
    fetus: int


@dataclass(frozen=True)
class NotObtainable(Event):
    """The user says that this plane cannot be had; `reason` in the user's words or a code of the page."""

    plane: str
    fetus: int
    reason: str


@dataclass(frozen=True)
class TakenBack(Event):
    """The user takes back Confirmed or NotObtainable."""

    plane: str
    fetus: int


@dataclass(frozen=True)
class Reassigned(Event):
    """The user says what a stored frame shows; it moves there from its plane or from the tray."""

    frame: str
    plane: str
    fetus: int


@dataclass(frozen=True)
class Unassigned(Event):
    """The user says that a stored frame does not show its plane; it moves to the tray."""

    frame: str


KINDS: Mapping[str, type[Event]] = {
    "opened": Opened,
    "paused": Paused,
    "continued": Continued,
    "ended": Ended,
    "clock_restarted": ClockRestarted,
    "model_changed": ModelChanged,
    "fetus_switched": FetusSwitched,
    "operator_named": OperatorNamed,
    "captured": Captured,
    "confirmed": Confirmed,
    "not_obtainable": NotObtainable,
    "taken_back": TakenBack,
    "reassigned": Reassigned,
    "unassigned": Unassigned,
}


def kind_from_event(event: Event) -> str:
    """Its name in the store."""
    return next(kind for kind, cls in KINDS.items() if cls is type(event))


def json_from_event(event: Event) -> dict[str, Any]:
    """The event's fields as plain JSON, with its kind."""
    return {"kind": kind_from_event(event), **json_from_record(event)}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """Read a stored event.

    Args:
        data: what `json_from_event` gave.

    Raises:
        InputError: it is no event: the kind is unknown, or a field is missing, unknown or of the wrong type.
    """
    fields = dict(data) if isinstance(data, Mapping) else {}  # the store holds any JSON
    kind = fields.pop("kind", None)
    cure = "The store may be of a newer version; update, or restore it from a copy."
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"The stored event is of the unknown kind {kind!r}.", cure)
    try:
        return record_from_json(KINDS[kind], fields)
    except RecordError as error:
        raise InputError(f"The stored event {kind!r} is not valid: {error}.", cure) from error
