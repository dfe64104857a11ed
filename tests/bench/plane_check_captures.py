"""False captures per hour and time to the first capture, with and without the temporal logic: SYNTHETIC slideshows.

::

    labelled frames (calibration/demo) -> session -> quality -> with:    exam_watch, k of n frames
                                                             `-> without: each accepted frame captures at once

The images are real, their motion is not, so no figure here is of a live scan. Time is the frames' own. A capture is
false where the label of its frame is another plane or none; the parts of it tell apart a plane that is not yet, or no
longer, in its place ("on_the_way", with how far it was), another plane ("wrong_plane") and a view that is none
("elsewhere"). A plane that was captured on the way counts as captured at once when it is in its place.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calibration.demo.slideshow import DemoFrame, labelled_frames
from calibration.demo.stills import ORDER
from edge.exam import Exam, exam_from_opened, state_after
from edge.exam_events import BY_MACHINE, Capture, Captured, Opened
from edge.exam_keys import ExamKey
from edge.exam_watch import LOW_QUALITY, JudgedFrame, Watch, vote_from_frame, watch_after
from edge.frame_quality import quality_from_gray
from edge.keyring import Keyring, home_from_environment
from edge.prediction import NOT_STANDARD
from edge.protocol import load_protocol
from edge.session import Session, open_session
from tests.bench.poisson import rate_with_interval

BUNDLE = Path("build/fetal-planes.edge")
SEEDS = range(1, 41)  # 29 minutes of frames; 0 is what the demo shows, and was looked at
SMALL_SEEDS, SMALL_FPS = range(1, 3), 8.0
WALL = "2026-01-01T00:00:00+00:00"
KINDS = ("right", "on_the_way", "wrong_plane", "elsewhere")


@dataclass
class Arm:
    """One way from frames to captures, over one exam.

    Attributes:
        exam: so far.
        watch: of the last frames; unused without the temporal logic.
        kinds: captures by what their frame's label makes of them, and by the plane that they name.
        first_s: plane -> time of its first capture, right or on the way, seconds.
        shown: of the captures on the way, how near the plane was to its place, 0..1.
    """

    exam: Exam
    watch: Watch = field(default_factory=Watch)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_s: dict[str, float] = field(default_factory=dict)
    shown: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Pass:
    """One slideshow through both arms.

    Attributes:
        frames: how many.
        hours: of frames.
        seen_s: plane -> when it was first shown, seconds.
        arms: "with" and "without".
        ends: arm -> plane -> what the exam held of it at the end: one of KINDS, or "missing".
    """

    frames: int
    hours: float
    seen_s: dict[str, float]
    arms: dict[str, Arm]
    ends: dict[str, dict[str, str]]


def measured(small: bool) -> dict[str, Any]:
    """Both arms over 40 slideshows of 25 frames/s, or 2 of 8 frames/s."""
    seeds, fps = (SMALL_SEEDS, SMALL_FPS) if small else (SEEDS, 25.0)
    with open_session(BUNDLE, threads=2, keyring=Keyring(home_from_environment(os.environ))) as session:
        passes = [pass_from_frames(session, labelled_frames(seed, fps=fps), fps) for seed in seeds]
        name, digest = f"{session.manifest.name} {session.manifest.precision}", session.digest
    return {
        "synthetic": True,
        "note": "SYNTHETIC slideshows of real stored images; no figure of a live scan",
        "bundle": name,
        "bundle_sha256": digest,
        "slideshows": len(passes),
        "seeds": [seeds[0], seeds[-1]],
        "frames_per_second": fps,
        "frames": sum(one.frames for one in passes),
        "hours": sum(one.hours for one in passes),
        **{f"{arm}_temporal_logic": figures_from_passes(passes, arm) for arm in ("with", "without")},
    }


def pass_from_frames(session: Session, frames: Iterator[DemoFrame], fps: float) -> Pass:
    """One slideshow.

    Args:
        session: of the bundle.
        frames: of it.
        fps: of the frames.
    """
    arms = {"with": Arm(opened_exam(session)), "without": Arm(opened_exam(session))}
    labels: dict[str, DemoFrame] = {}
    seen_s: dict[str, float] = {}
    reference = None
    for number, frame in enumerate(frames):
        quality, reference = quality_from_gray(frame.pixels, reference)
        name, at_s = f"f{number}", frame.time_ms / 1e3
        labels[name] = replace(frame, pixels=frame.pixels[:0])
        seen_s.setdefault(frame.label, at_s)
        judged = JudgedFrame(name, None, at_s, WALL, session.classify(frame.pixels), quality)
        with_events = watched(arms["with"], judged)
        for arm, events in ((arms["with"], with_events), (arms["without"], captured_at_once(arms["without"], judged))):
            count(arm, events, labels, at_s)
    ends = {name: ends_from_exam(arm.exam, labels) for name, arm in arms.items()}
    return Pass(len(labels), len(labels) / fps / 3600, seen_s, arms, ends)


def opened_exam(session: Session) -> Exam:
    """An exam of the demo protocol with this bundle."""
    manifest = session.manifest
    protocol, decision = load_protocol(manifest.protocol.id), manifest.decision
    threshold = None if decision is None else decision.threshold
    key = ExamKey("DEMO", "")
    return exam_from_opened(
        Opened("e", 0.0, WALL, "bench", key, protocol, manifest.protocol.covered, threshold, session.digest, 1)
    )


def watched(arm: Arm, judged: JudgedFrame) -> Sequence[Captured]:
    """What the temporal logic makes of a frame."""
    arm.watch, events = watch_after(arm.exam, arm.watch, judged)
    return events


def captured_at_once(arm: Arm, judged: JudgedFrame) -> Sequence[Captured]:
    """A capture of every accepted frame; whether the exam keeps it is the same rule in both arms."""
    vote = vote_from_frame(arm.exam, judged)
    if not vote.accepted:
        return ()
    weak = vote.quality < LOW_QUALITY
    capture = Capture(
        vote.frame, vote.digest, vote.fetus, vote.answer, vote.probability, vote.quality, vote.confidence, weak,
        BY_MACHINE, arm.exam.bundle, WALL,
    )  # fmt: skip
    return (Captured(arm.exam.id, vote.at_s, WALL, "machine", vote.plane, capture),)


def count(arm: Arm, events: Sequence[Captured], labels: dict[str, DemoFrame], at_s: float) -> None:
    """Fold captures into the exam; only those that change it count."""
    for event in events:
        after = state_after(arm.exam, event)
        if after == arm.exam or event.plane is None:
            continue
        arm.exam = after
        frame = labels[event.capture.frame]
        kind = kind_from_label(event.plane, frame)
        arm.kinds[kind, event.plane] += 1
        if kind in ("right", "on_the_way"):
            arm.first_s.setdefault(event.plane, at_s)
        if kind == "on_the_way":
            arm.shown.append(frame.shown)


def kind_from_label(plane: str, frame: DemoFrame) -> str:
    """Which of KINDS a capture of a plane is."""
    if frame.label == plane:
        return "right"
    if frame.label != NOT_STANDARD:
        return "wrong_plane"
    return "on_the_way" if frame.beside == plane else "elsewhere"


def ends_from_exam(exam: Exam, labels: dict[str, DemoFrame]) -> dict[str, str]:
    """What an exam holds of each plane that was shown."""
    ends = {}
    for plane in ORDER:
        record = exam.record(plane, 1)
        capture = None if record is None else record.capture
        ends[plane] = "missing" if capture is None else kind_from_label(plane, labels[capture.frame])
    return ends


def figures_from_passes(passes: Sequence[Pass], arm: str) -> dict[str, Any]:
    """Rates of one arm over all slideshows."""
    hours = sum(one.hours for one in passes)
    kinds: Counter[tuple[str, str]] = sum((one.arms[arm].kinds for one in passes), Counter())
    planes = sorted({plane for _, plane in kinds} | set(ORDER))
    by_plane = {plane: {kind: kinds[kind, plane] for kind in KINDS} for plane in planes}
    totals = {kind: sum(row[kind] for row in by_plane.values()) for kind in KINDS}
    waits = {
        plane: [
            max(0.0, one.arms[arm].first_s[plane] - one.seen_s[plane])
            for one in passes
            if plane in one.arms[arm].first_s
        ]
        for plane in ORDER
    }
    every = [wait for row in waits.values() for wait in row]
    ends = Counter(end for one in passes for end in one.ends[arm].values())
    return {
        "captures": totals,
        "false": rate_with_interval(sum(totals[kind] for kind in KINDS[1:]), hours),
        "false_but_for_on_the_way": rate_with_interval(totals["wrong_plane"] + totals["elsewhere"], hours),
        **{kind: rate_with_interval(totals[kind], hours) for kind in KINDS[1:]},
        "on_the_way_shown": spread([share for one in passes for share in one.arms[arm].shown]),
        "planes_shown": len(passes) * len(ORDER),
        "held_at_the_end": {kind: ends[kind] for kind in (*KINDS, "missing")},
        "first_capture_s": {"n": len(every), **spread(every)},
        "by_plane": {
            plane: {**row, "first_capture_s": spread(waits.get(plane, []))} for plane, row in by_plane.items()
        },
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Smallest, median and largest; empty without values."""
    ends = {"min": min, "median": statistics.median, "max": max}
    return {name: round(end(values), 3) for name, end in ends.items()} if values else {}
