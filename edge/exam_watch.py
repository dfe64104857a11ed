"""Judged frames -> captures: the exam's memory of the last second or two, which is not stored.

::

    JudgedFrame -> of this exam? running? not late? -> Vote -> window -> run reached -> Captured (machine)
                                                     |                still image  -> Captured (store)
    freeze key ---- waits FREEZE_AFTER_S ------------`- best frame around the press -> Captured (freeze)

In: the exam, the watch so far, one frame or the time. Out: the next watch, and events that change the exam; whoever
calls stores them, then folds them (`edge.exam.state_after`). Lost with the process, it is full again after a second.

Freeze: the press names the moment, and frames of both sides of it count: those before are what the sonographer saw,
those just after are still on their way through the model. Where k was not reached the capture is of low quality; where
no frame was accepted the best picture goes to the tray, for the user to name. A still image (DICOM store) was chosen as
well, but is one frame by nature: no k can be asked of it, so it is full only with high confidence and a good picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.confidence import HIGH, step_from_probability
from edge.exam import state_after
from edge.exam_events import BY_FREEZE, BY_MACHINE, BY_STORE, Capture, Captured
from edge.exam_keys import Destination, ExamKey, destination_from_key
from edge.exam_state import PAUSED, RUNNING, Exam
from edge.frame_quality import FrameQuality
from edge.prediction import NOT_COVERED, Prediction
from edge.temporal import Run, Vote, holds, run_from_votes, votes_after

LOW_QUALITY = 0.70  # image score below which a capture is weak: less than every standard plane of val but one (0.697)
FREEZE_BEFORE_S = 0.5  # hand after eye: some 0.2 s of reaction, and as much of screen and grabber; an estimate
FREEZE_AFTER_S = 0.3  # frames under way when the key went down: inference takes up to 0.1 s, a grabber some frames
AI_OFF_S = 2.0  # a result older than this says nothing about the picture on the screen, as on the cart's lamps


@dataclass(frozen=True)
class JudgedFrame:
    """A frame, what the model said of it, and how good it is.

    Attributes:
        frame: its name, unique in the exam.
        key: patient and study from its header; None for a source that has none.
        at_s: monotonic time at which the source gave it, seconds: not when the answer came.
        wall: ISO 8601, UTC.
        prediction: the session's answer.
        quality: of the image.
        is_chosen: a still image that the sonographer sent.
    """

    frame: str
    key: ExamKey | None
    at_s: float
    wall: str
    prediction: Prediction
    quality: FrameQuality
    is_chosen: bool = False


@dataclass(frozen=True)
class Watch:
    """What is remembered of the last frames.

    Attributes:
        scope: what the votes are about; with another fetus, model or correction the window starts anew.
        votes: distinct frames, oldest first.
        latest: the newest frame, a repetition or not.
        freeze_s: when the freeze key went down that is not answered yet, or None.
        freeze_by: who pressed it.
    """

    scope: tuple[str, int, str, int] | None = None
    votes: tuple[Vote, ...] = ()
    latest: Vote | None = None
    freeze_s: float | None = None
    freeze_by: str = ""

    @property
    def frames(self) -> frozenset[str]:
        """Names of the frames whose pictures may still be asked for; every other one may be dropped."""
        latest = () if self.latest is None else (self.latest.frame,)
        return frozenset((*(vote.frame for vote in self.votes), *latest))


Step = tuple[Watch, tuple[Captured, ...]]


def watch_after(exam: Exam, watch: Watch, frame: JudgedFrame) -> Step:
    """The watch with one more frame.

    A frame of another key, of a stopped exam, or from before the newest one changes nothing. The pictures of the events
    are among `watch.frames` of before and after, and this frame's: drop others only then.

    Args:
        exam: the open exam.
        watch: so far.
        frame: of any exam.
    """
    is_open = exam.phase == RUNNING or (exam.phase == PAUSED and frame.is_chosen)
    if not is_open or destination_from_key(exam.key, frame.key) is not Destination.HERE:
        return watch, ()
    watch, switched = _in_scope(exam, watch)
    exam = _folded(exam, switched)
    watch, frozen = ticked(exam, watch, frame.at_s)
    exam, events = _folded(exam, frozen), (*switched, *frozen)
    is_late = watch.latest is not None and frame.at_s < watch.latest.at_s
    if is_late and not frame.is_chosen:
        return watch, events
    vote = vote_from_frame(exam, frame)
    if frame.is_chosen:
        watch = watch if is_late else replace(watch, latest=vote)
        return watch, (*events, *_changing(exam, _chosen_still(exam, vote)))
    votes = votes_after(watch.votes, vote) if frame.quality.is_new else watch.votes
    run = run_from_votes(votes) if votes is not watch.votes else None
    watch = replace(watch, votes=votes, latest=vote)
    if run is None or not run.is_reached:
        return watch, events
    return watch, (*events, *_changing(exam, _event(exam, run.plane, run.best, BY_MACHINE, weak=False)))


def freeze_pressed(exam: Exam, watch: Watch, at_s: float, by: str) -> Watch:
    """Remember that the freeze key went down; a press while another waits, or in a stopped exam, changes nothing.

    Args:
        exam: the open exam.
        watch: so far.
        at_s: monotonic, seconds.
        by: operator.
    """
    if exam.phase != RUNNING or watch.freeze_s is not None:
        return watch
    return replace(watch, freeze_s=at_s, freeze_by=by)


def ticked(exam: Exam, watch: Watch, now_s: float) -> Step:
    """Answer a press of the freeze key once its time has come, with or without new frames.

    Args:
        exam: the open exam.
        watch: so far.
        now_s: monotonic, seconds.
    """
    if watch.freeze_s is None or now_s < watch.freeze_s + FREEZE_AFTER_S:
        return watch, ()
    return settled(exam, watch)


def settled(exam: Exam, watch: Watch) -> Step:
    """Answer a waiting press now: call it before a pause, the end, or a switch of the fetus."""
    if watch.freeze_s is None:
        return watch, ()
    event = _frozen(exam, watch, watch.freeze_s)
    return replace(watch, freeze_s=None, freeze_by=""), () if event is None else _changing(exam, event)


def run_of_watch(exam: Exam, watch: Watch) -> Run | None:
    """The run that the window is on now; None after a switch that the watch has not seen yet."""
    in_scope = watch.scope == (exam.id, exam.fetus, exam.bundle, exam.corrections)
    return run_from_votes(watch.votes) if in_scope else None


def vote_from_frame(exam: Exam, frame: JudgedFrame) -> Vote:
    """What a frame says about the planes of the exam's protocol.

    A label that answers no plane of the protocol, a plane outside the coverage and an unfit frame name no plane; the
    shares of `top` and of the reject labels add up to 1.
    """
    prediction, threshold = frame.prediction, exam.threshold
    plane = exam.protocol.plane_from_label(prediction.plane)
    probability = prediction.probability
    accepted = prediction.accepted and threshold is not None and probability >= threshold
    rest = max(0.0, 1.0 - sum(share for _, share in prediction.top))
    held = threshold is not None and prediction.answer != NOT_COVERED and holds(probability, rest, threshold)
    named = plane is not None and plane.id in exam.covered and (accepted or held)
    return Vote(
        frame.frame, frame.quality.digest, frame.at_s, frame.wall, exam.fetus,
        plane.id if plane is not None and named else None, accepted and named,
        plane.id if plane is not None and accepted else prediction.answer,
        probability, frame.quality.score, step_from_probability(probability, threshold),
    )  # fmt: skip


def _in_scope(exam: Exam, watch: Watch) -> Step:
    """The watch for what is scanned now; a press that waits is answered with the frames it was about."""
    scope = (exam.id, exam.fetus, exam.bundle, exam.corrections)
    if watch.scope == scope:
        return watch, ()
    if watch.scope is None:
        return replace(watch, scope=scope), ()
    _, events = settled(exam, watch)
    return Watch(scope), events


def _frozen(exam: Exam, watch: Watch, freeze_s: float) -> Captured | None:
    """The capture of a press; None where there was no frame within reach."""
    seen = _around(watch, freeze_s)
    if not seen:
        return None
    run = run_from_votes(watch.votes)
    accepted = [vote for vote in seen if vote.accepted]
    if not accepted:
        best = max(seen, key=lambda vote: vote.quality)
        return _event(exam, None, best, BY_FREEZE, weak=True, by=watch.freeze_by)
    plane = run.plane if run is not None and any(vote.plane == run.plane for vote in accepted) else None
    plane = plane or max(accepted, key=lambda vote: vote.score).plane
    best = max((vote for vote in accepted if vote.plane == plane), key=lambda vote: vote.score)
    weak = run is None or run.plane != plane or not run.is_reached
    return _event(exam, plane, best, BY_FREEZE, weak=weak, by=watch.freeze_by)


def _around(watch: Watch, freeze_s: float) -> Sequence[Vote]:
    """Frames around a press. A picture that was frozen before it stands for the moment at which it froze."""
    if watch.latest is None or freeze_s - watch.latest.at_s > AI_OFF_S:
        return ()
    is_frozen = bool(watch.votes) and watch.votes[-1].frame != watch.latest.frame
    middle_s = min(freeze_s, watch.votes[-1].at_s) if is_frozen else freeze_s
    near = [v for v in watch.votes if middle_s - FREEZE_BEFORE_S <= v.at_s <= freeze_s + FREEZE_AFTER_S]
    return near or [watch.latest]


def _chosen_still(exam: Exam, vote: Vote) -> Captured:
    """The capture of a still image."""
    return _event(exam, vote.plane if vote.accepted else None, vote, BY_STORE, weak=vote.confidence != HIGH)


def _event(exam: Exam, plane: str | None, vote: Vote, source: str, *, weak: bool, by: str = "machine") -> Captured:
    capture = Capture(
        vote.frame, vote.digest, vote.fetus, vote.answer, vote.probability, vote.quality, vote.confidence,
        weak or vote.quality < LOW_QUALITY, source, exam.bundle, vote.wall,
    )  # fmt: skip
    return Captured(exam.id, vote.at_s, vote.wall, by, plane, capture)


def _changing(exam: Exam, event: Captured) -> tuple[Captured, ...]:
    """The event where it changes the exam, so that nothing is stored that says nothing."""
    return (event,) if state_after(exam, event) != exam else ()


def _folded(exam: Exam, events: Iterable[Captured]) -> Exam:
    for event in events:
        exam = state_after(exam, event)
    return exam
