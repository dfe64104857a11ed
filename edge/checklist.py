"""The exam as people see it: rows by body region, what is left, and whether the AI is on.

::

    Exam (stored) ----> rows, left, seconds since the last progress
    Watch (of now) ---> candidate rows, the last result with its age, "AI off"

In: the exam, the time, and the watch where there is a live one. Out: a frozen value that page, cart and reports show;
no probability is in it, only steps. Without a watch (a report, a replay) nothing is a candidate and no result is live.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.exam import progress_age_s
from edge.exam_state import Exam, PlaneRecord, PlaneState
from edge.exam_watch import AI_OFF_S, Watch, run_of_watch
from edge.prediction import NOT_COVERED
from edge.protocol import Plane
from edge.temporal import Run

DONE = (PlaneState.CAPTURED, PlaneState.CONFIRMED, PlaneState.NOT_OBTAINABLE)
REGIONS_ZH = {  # of the protocols that come with the runtime; another region shows its English id in both languages
    "abdomen": "腹部", "brain": "颅脑", "cervix": "宫颈", "chest": "胸部", "face": "颜面", "heart": "心脏",
    "limbs": "四肢", "spine": "脊柱", "thorax": "胸部",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One plane of one fetus.

    Attributes:
        region: id of the body region; rows of one region stand together.
        region_en: its English name.
        region_zh: its Chinese name.
        plane: id.
        en: English name.
        zh: Chinese name.
        required: whether a complete examination has it.
        fetus: 1, 2, ...
        state: see `PlaneState`.
        is_left: required, and not captured at full quality, confirmed or not obtainable.
        confidence: step of the stored frame: "low", "medium", "high" or None.
        low_quality: the stored frame is weak, whatever the state.
        frame: name of the stored frame, or None.
        source: how it was taken: "machine", "freeze", "store"; "" without a frame.
        reason: why it is not obtainable, or None.
        offered: name of a strong frame of a plane marked not obtainable, or None.
    """

    region: str
    region_en: str
    region_zh: str
    plane: str
    en: str
    zh: str
    required: bool
    fetus: int
    state: PlaneState
    is_left: bool
    confidence: str | None
    low_quality: bool
    frame: str | None
    source: str
    reason: str | None
    offered: str | None


@dataclass(frozen=True)
class LiveResult:
    """The last answer, and how old the frame is that it is about.

    Attributes:
        frame: its name.
        answer: plane, "not_standard" or "not_covered"; while the last second agrees on a plane, that plane.
        confidence: step, or None.
        age_s: since the source gave the frame, seconds.
        is_off: too old, or from a clock that is not this one: show "AI off", whatever else is alive.
    """

    frame: str
    answer: str
    confidence: str | None
    age_s: float
    is_off: bool


@dataclass(frozen=True)
class Checklist:
    """What page, cart and report show of an exam.

    Attributes:
        exam: its id.
        phase: "running", "paused" or "ended".
        fetus: that is being scanned.
        fetuses: how many.
        rows: a fetus at a time, regions in the protocol's order.
        left: how many rows `is_left`; 0 is a complete examination.
        weak: how many rows are "captured_low".
        not_covered: how many rows the model has no say in.
        since_progress_s: seconds since the last progress, pauses taken out.
        tray: names of frames that no plane keeps, for the user to name.
        live: the last result; None: there was none, which is "AI off" as well.
    """

    exam: str
    phase: str
    fetus: int
    fetuses: int
    rows: tuple[Row, ...]
    left: int
    weak: int
    not_covered: int
    since_progress_s: float
    tray: tuple[str, ...]
    live: LiveResult | None

    @property
    def is_ai_off(self) -> bool:
        """Whether there is no result that is young enough to mean the picture on the screen."""
        return self.live is None or self.live.is_off


def checklist_from_exam(exam: Exam, now_s: float, watch: Watch | None = None) -> Checklist:
    """The checklist of an exam at a moment.

    Args:
        exam: the state.
        now_s: monotonic, seconds, on the clock of the exam's events.
        watch: of the live frames; None for a stored exam.
    """
    live = None if watch is None else live_from_watch(watch, now_s)
    candidate = None
    if watch is not None and live is not None and not live.is_off:
        run = run_of_watch(exam, watch)
        candidate = (run.plane, exam.fetus) if run is not None and run.is_candidate else None
        live = _steadied(live, run)
    planes = {plane.id: plane for plane in exam.protocol.planes}
    regions = list(dict.fromkeys(plane.region for plane in exam.protocol.planes))
    records = sorted(exam.records, key=lambda r: (r.fetus, regions.index(planes[r.plane].region)))
    rows = tuple(_row(exam, r, planes[r.plane], (r.plane, r.fetus) == candidate) for r in records)
    states = [row.state for row in rows]
    return Checklist(
        exam.id, exam.phase, exam.fetus, exam.fetuses, rows, sum(row.is_left for row in rows),
        states.count(PlaneState.CAPTURED_LOW), states.count(PlaneState.NOT_COVERED),
        progress_age_s(exam, now_s), tuple(capture.frame for capture in exam.tray), live,
    )  # fmt: skip


def left_from_exam(exam: Exam) -> int:
    """How many rows of the checklist are left, without making them: for exams of which no more is shown.

    Args:
        exam: the state.
    """
    planes = {plane.id: plane for plane in exam.protocol.planes}
    return sum(_is_left(planes[record.plane], exam.state(record)) for record in exam.records)


def _is_left(plane: Plane, state: PlaneState) -> bool:
    return plane.required and state not in DONE


def live_from_watch(watch: Watch, now_s: float) -> LiveResult | None:
    """The last result with its age.

    A frame of more than AI_OFF_S in the future is of another clock; nothing is known about it, so it is off as well.

    Args:
        watch: of the live frames.
        now_s: monotonic, seconds.
    """
    if watch.latest is None:
        return None
    age_s = now_s - watch.latest.at_s
    vote = watch.latest
    return LiveResult(vote.frame, vote.answer, vote.confidence, max(0.0, age_s), abs(age_s) > AI_OFF_S)


def _steadied(live: LiveResult, run: Run | None) -> LiveResult:
    """The plane that the window is on while single frames say otherwise: letters that flicker cannot be read.

    It follows a probe that moved off within the window's minority, about a third of a second; a frame on which the
    model has no say is told at once.
    """
    if run is None or not run.is_candidate or live.answer in (run.plane, NOT_COVERED):
        return live
    return replace(live, answer=run.plane, confidence=run.accepted[-1].confidence)


def _row(exam: Exam, record: PlaneRecord, plane: Plane, is_candidate: bool) -> Row:
    state, capture = exam.state(record), record.capture
    if state is PlaneState.MISSING and is_candidate:
        state = PlaneState.CANDIDATE
    return Row(
        plane.region, plane.region.capitalize(), REGIONS_ZH.get(plane.region, plane.region),
        plane.id, plane.en, plane.zh, plane.required, record.fetus, state, _is_left(plane, state),
        capture.confidence if capture else None, bool(capture and capture.low_quality),
        capture.frame if capture else None, capture.source if capture else "",
        record.reason, record.offer.frame if record.offer else None,
    )  # fmt: skip
