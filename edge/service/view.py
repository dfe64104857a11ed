"""Everything that the page and the cart show, as one frozen value; its JSON is the API's answer and its event stream.

::

    Status (pump) -. StoreState (store) -. Checklist (exam) -. -> View -> json_from_record -> page, cart, tests

In: what pump, store and exam say at one moment. Out: one value. No probability is in it, only steps; the patient's key
is, since the page must show whose exam is open: it goes to the user's screen and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.checklist import Checklist
from edge.manifest import Label, Notice

SCHEMA = 1  # raised when a field changes its meaning


@dataclass(frozen=True)
class ModelView:
    """The bundle that answers.

    Attributes:
        name: of the model.
        digest: of the bundle, hexadecimal.
        labels: what it can answer, with names.
        has_threshold: without one nothing is ever accepted.
        watermark: text to show over everything, or None.
        notices: what a person must be told (development key, skipped gate, ...).
        machines: scanner models it was measured on.
    """

    name: str
    digest: str
    labels: tuple[Label, ...]
    has_threshold: bool
    watermark: str | None
    notices: tuple[Notice, ...]
    machines: tuple[str, ...]


@dataclass(frozen=True)
class SourceView:
    """Where frames come from.

    Attributes:
        kind: "camera", "video", "folder", "demo", ...
        signal: "running", "lost", "frozen" or "ended".
        scanner: its model, where it is known; else "".
        is_measured: the bundle was measured on that model; None where the model is not known.
        is_demo: the frames are synthetic or a slideshow of stored images; say so everywhere.
        credit: attribution of a demo's images; "" otherwise.
        frame: number of the newest live frame; None before the first.
        width_px: of that frame.
        height_px: of that frame.
    """

    kind: str
    signal: str
    scanner: str
    is_measured: bool | None
    is_demo: bool
    credit: str
    frame: int | None
    width_px: int
    height_px: int


@dataclass(frozen=True)
class EngineView:
    """The inference process.

    Attributes:
        state: "starting", "ready", "waiting" or "closed".
        ai_on: the last answer is of a frame younger than 2 s; else show "AI off".
        age_s: of the last answered frame, seconds; None before the first.
        restarts: how often the process was lost.
        dropped: live frames that a newer one replaced.
        answered: frames with an answer.
        cause: why source or engine are down, one line; "" while they run.
    """

    state: str
    ai_on: bool
    age_s: float | None
    restarts: int
    dropped: int
    answered: int
    cause: str


@dataclass(frozen=True)
class StoreView:
    """Whether captures are kept.

    Attributes:
        state: "ok", "full" or "failed".
        reason: one line; "" while it is ok.
        refused: captures that could not be kept since the service started.
    """

    state: str
    reason: str
    refused: int


@dataclass(frozen=True)
class ExamView:
    """The open exam.

    Attributes:
        patient: id; personal.
        study: id; personal.
        operator: id, or "unauthenticated".
        protocol_en: its English name.
        protocol_zh: its Chinese name.
        opened_wall: ISO 8601, UTC.
        is_changed: the service switched to this exam by itself since a frame of another key came, and nobody has
            acknowledged it yet: show it full-screen.
        checklist: rows, what is left, the tray, the last result.
        tray_answers: what the model answered for each frame of `checklist.tray`.
        late_stills: still images that came after the end and were not taken.
        is_freezing: the freeze key was pressed and its picture is not on the disk yet: do not say that it is kept.
    """

    patient: str
    study: str
    operator: str
    protocol_en: str
    protocol_zh: str
    opened_wall: str
    is_changed: bool
    checklist: Checklist
    tray_answers: tuple[str, ...]
    late_stills: int
    is_freezing: bool


@dataclass(frozen=True)
class OtherExam:
    """An exam that is not ended and not the open one; `exam` is its id."""

    exam: str
    patient: str
    study: str
    left: int


@dataclass(frozen=True)
class View:
    """One moment.

    Attributes:
        schema: SCHEMA.
        number: raised with every view of this service run.
        research_use: the line that stands wherever a result is shown.
        exam: the open one; None: none.
    """

    schema: int
    number: int
    research_use: Notice
    model: ModelView
    source: SourceView
    engine: EngineView
    store: StoreView
    exam: ExamView | None
    others: tuple[OtherExam, ...]
