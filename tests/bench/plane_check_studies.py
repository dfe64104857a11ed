"""Frames of two studies that come in turns, now one, now ten at a time: does one land in the other's exam?

::

    slideshow of study A -.
                          +- in turns -> session -> desk -> store: every capture's picture must be of its exam's study
    slideshow of study B -'

SYNTHETIC slideshows; time is the frames' own. A picture is recognised by the digest that its capture carries.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibration.demo.slideshow import DemoFrame, labelled_frames
from edge.exam_keys import ExamKey
from edge.frame_quality import digest_from_thumbnail, thumbnail_from_gray
from edge.keyring import Keyring, home_from_environment
from edge.service.answer import Answer
from edge.service.desk import Desk
from edge.service.frame import Frame
from edge.session import Session, open_session
from edge.store import open_store
from edge.store_reader import ExamReader, open_reader
from tests.bench.plane_check_service import facts_from_manifest

BUNDLE = Path("build/fetal-planes.edge")
PAIRS, FPS = 6, 25.0
SMALL_FPS = 8.0
LONGEST_TURN = 10  # frames
WALL = "2026-01-01T00:00:00+00:00"


@dataclass
class Clock:
    """Time of the frames, seconds."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Count:
    """Over all pairs.

    Attributes:
        frames: shown to the desk.
        turns: changes from one study to the other.
        exams: that were opened.
        captures: in all of them.
        wrong: captures with a picture of the other study.
        unknown: captures with a picture of neither.
    """

    frames: int = 0
    turns: int = 0
    exams: int = 0
    captures: int = 0
    wrong: int = 0
    unknown: int = 0
    digests: dict[ExamKey, set[str]] = field(default_factory=dict)


def measured(small: bool) -> dict[str, Any]:
    """Six pairs of studies at 25 frames/s, or one at 8."""
    count = Count()
    with open_session(BUNDLE, threads=2, keyring=Keyring(home_from_environment(os.environ))) as session:
        for pair in range(1 if small else PAIRS):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "exams.db"
                show_pair(session, path, pair, SMALL_FPS if small else FPS, count)
                with open_reader(path) as reader:
                    look_through(reader, count)
        digest = session.digest
    return {
        "synthetic": True,
        "bundle_sha256": digest,
        "pairs": 1 if small else PAIRS,
        "frames": count.frames,
        "turns": count.turns,
        "exams": count.exams,
        "captures": count.captures,
        "in_the_wrong_exam": count.wrong,
        "of_neither_study": count.unknown,
    }


def show_pair(session: Session, path: Path, pair: int, fps: float, count: Count) -> None:
    """Two slideshows in turns, each frame with its study's key, as a scanner's network link gives them.

    Args:
        session: of the bundle.
        path: of a new store.
        pair: number of the pair; decides slideshows and turns.
        fps: frames a second, of both together.
        count: is added to.
    """
    clock = Clock()
    with open_store(path, wall=lambda: WALL) as store:
        facts = facts_from_manifest(session.manifest, session.digest, "dicom")
        desk = Desk(store, facts, lambda: None, clock, lambda: WALL)
        for number, (key, frame) in enumerate(in_turns(pair, fps, count)):
            clock.now_s += 1 / fps
            shown = Frame(frame.pixels, number, clock.now_s, "dicom", key)
            count.digests.setdefault(key, set()).add(digest_from_thumbnail(thumbnail_from_gray(frame.pixels)))
            desk.take_answer(Answer(shown, session.classify(frame.pixels), "", clock.now_s))
            desk.tick()
            count.frames += 1


def in_turns(pair: int, fps: float, count: Count) -> Iterator[tuple[ExamKey, DemoFrame]]:
    """Frames of both studies until one of them ends."""
    rng = random.Random(pair)
    studies = [(ExamKey(f"P{pair}", f"1.2.{seed}"), labelled_frames(seed, fps=fps)) for seed in (101, 102 + pair)]
    while True:
        for key, frames in studies:
            count.turns += 1
            for _ in range(rng.randint(1, LONGEST_TURN)):
                frame = next(frames, None)
                if frame is None:
                    return
                yield key, frame


def look_through(reader: ExamReader, count: Count) -> None:
    """Compare the captures of every exam in a store with what its study showed."""
    for exam in reader.exams():
        events = reader.events(exam.exam)
        opened = next(event.event for event in events if event.kind == "opened")
        own = ExamKey(opened["key"]["patient"], opened["key"]["study"])
        others = set[str]().union(*(found for key, found in count.digests.items() if key != own))
        count.exams += 1
        for event in events:
            if event.kind == "captured":
                digest = event.event["capture"]["digest"]
                count.captures += 1
                count.wrong += digest not in count.digests[own] and digest in others
                count.unknown += digest not in count.digests[own] and digest not in others
