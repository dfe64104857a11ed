"""The loop: ages, stills through a dying child, AI off, lost signal; a real child on the null backend."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.exam_watch import AI_OFF_S
from edge.keyring import Keyring
from edge.service.answer import Answer
from edge.service.child import Child, ChildState
from edge.service.child_settings import ChildSettings
from edge.service.frame import Frame
from edge.service.newest import Newest
from edge.service.pump import STEP_S, TELL_S, Pump
from edge.service.reader import Reader
from edge.service.signal_state import LOST_AFTER_S, Signal
from edge.service.source import Source, open_source
from edge.service.source_options import SourceOptions
from edge.service.status import Status

Tissue = Callable[[int], NDArray[np.uint8]]
WAIT_S = 60.0  # a loaded machine
ANSWER_S = 5.0  # the same: no child that lives is taken for hung
AGE_S = 0.03  # of a frame when it comes from the source


@dataclass
class Clock:
    """Stands still until a test moves it: however slow the machine is, nothing grows old by itself."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Script:
    """A live source that gives what a test puts into it."""

    clock: Callable[[], float]
    pixels: NDArray[np.uint8]
    running: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    is_idle: threading.Event = field(default_factory=threading.Event)
    kind: str = "camera"
    is_live: bool = True
    reopens: bool = False
    is_screen: bool = False
    credit: str = ""

    def __enter__(self) -> Script:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()

    def frames(self) -> Iterator[Frame]:
        shift = 0
        while not self.ended.is_set():
            if self.running.wait(0.02):
                self.is_idle.clear()
                shift += 1
                yield Frame(np.roll(self.pixels, shift, axis=1), 0, self.clock() - AGE_S, self.kind)
                time.sleep(1 / 60)
            else:
                self.is_idle.set()

    def pause(self) -> None:
        """No frame comes any more, nor one that was under way."""
        self.running.clear()
        self.is_idle.clear()
        assert self.is_idle.wait(WAIT_S)


@dataclass
class Service:
    """Everything put together, driven by the test's own thread."""

    pump: Pump
    child: Child
    reader: Reader
    answers: list[Answer]
    statuses: list[Status]

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end_s, self.pump.status()
            self.pump.step(0.05)


Make = Callable[[Source], Service]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(bundles: Any, keyring: Keyring, clock: Clock) -> Iterator[Make]:
    made: list[Service] = []

    def make(source: Source) -> Service:
        newest, answers, statuses = Newest(), list[Answer](), list[Status]()
        reader = Reader(lambda: source, newest, clock)
        settings = ChildSettings(bundles.null(), keyring.home, backend="null", frame_timeout_s=ANSWER_S)
        child = Child(settings, clock)
        pump = Pump(reader, newest, child, answers.append, statuses.append, clock)
        made.append(Service(pump, child, reader, answers, statuses))
        reader.start()
        return made[-1]

    yield make
    for one in made:
        one.reader.close()
        one.child.close()


@pytest.fixture
def script(clock: Clock, tissue: Tissue) -> Iterator[Script]:
    script = Script(clock, tissue(1))
    script.running.set()
    yield script
    script.ended.set()


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


def stills(folder: Path, tissue: Tissue, count: int) -> Source:
    for number in range(count):
        Image.fromarray(tissue(number % 2)).save(folder / f"{number:03}.png")
    return open_source(f"folder:{folder}", SourceOptions(fast=True))


def test_answers_come_in_order_with_the_age_of_their_frame(service: Make, script: Script) -> None:
    one = service(script)
    one.until(lambda: len(one.answers) >= 5)
    sequences = [answer.frame.sequence for answer in one.answers]
    assert sequences == sorted(set(sequences))
    assert all(answer.prediction and answer.prediction.plane == "femur" for answer in one.answers)
    assert [answer.age_s for answer in one.answers] == pytest.approx([AGE_S] * len(one.answers))
    status = one.pump.status()
    assert (status.ai_on, status.child, status.signal) == (True, ChildState.READY, Signal.RUNNING)
    assert status.counters.answered == len(one.answers)
    assert [share for share, _ in status.latency_ms] == [0.5, 0.9, 0.99]


def test_live_frames_are_dropped_while_there_is_nobody_to_answer_and_the_newest_is_answered(
    service: Make, script: Script
) -> None:
    one, came = service(script), list[int]()

    def is_answered() -> bool:
        came.append(one.pump.status().counters.frames)
        return bool(one.answers)

    one.until(is_answered)
    assert one.pump.status().counters.dropped > 0
    assert one.answers[0].frame.sequence >= came[-2] - 1  # the newest of those that were there before this step


def test_every_still_is_answered_although_the_child_is_killed_again_and_again(
    service: Make, tmp_path: Path, tissue: Tissue
) -> None:
    one = service(stills(tmp_path, tissue, 20))
    one.until(lambda: len(one.answers) >= 6)
    os.kill(one.child.pid or 0, signal.SIGKILL)
    one.until(lambda: len(one.answers) >= 12)
    os.kill(one.child.pid or 0, signal.SIGSTOP)
    one.until(lambda: one.pump.is_done)
    assert [answer.frame.sequence for answer in one.answers] == list(range(20))
    assert all(answer.prediction for answer in one.answers)
    assert dict(one.pump.status().counters.restarts) == {"killed": 1, "hung": 1}


def test_what_was_taken_before_the_end_is_answered(service: Make, tmp_path: Path, tissue: Tissue) -> None:
    one = service(stills(tmp_path, tissue, 5))
    one.child.start()
    one.until(lambda: one.pump.status().counters.frames == 5)
    one.reader.close()
    one.pump.drain(20)
    assert len(one.answers) == 5
    one.pump.drain(20)  # nothing is left: at once


def test_run_ends_with_its_source(service: Make, tmp_path: Path, tissue: Tissue) -> None:
    one = service(stills(tmp_path, tissue, 3))
    one.pump.run(threading.Event(), until_end=True)
    assert len(one.answers) == 3
    assert one.pump.status().signal is Signal.ENDED


def test_a_still_that_kills_two_children_comes_out_without_a_prediction(
    service: Make, tmp_path: Path, tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = service(stills(tmp_path, tissue, 2))
    one.child.start()
    classify = one.child.classify

    def deadly(frame: Frame) -> Any:
        if frame.sequence == 0:
            os.kill(one.child.pid or 0, signal.SIGKILL)
        return classify(frame)

    monkeypatch.setattr(one.child, "classify", deadly)
    one.until(lambda: len(one.answers) == 2)
    assert [answer.prediction is None for answer in one.answers] == [True, False]
    assert one.answers[0].reason
    assert one.pump.status().counters.restarts == {"killed": 2}


def test_a_result_older_than_two_seconds_is_ai_off_however_alive_the_child(
    service: Make, script: Script, clock: Clock
) -> None:
    one = service(script)
    one.until(lambda: bool(one.answers))
    script.pause()
    clock.now_s += LOST_AFTER_S + 0.05
    assert (one.pump.status().signal, one.pump.status().ai_on) == (Signal.LOST, True)
    clock.now_s += AI_OFF_S
    one.pump.step(0)
    status = one.statuses[-1]
    assert (status.ai_on, status.child) == (False, ChildState.READY)
    assert status.line.startswith("AI off, signal lost")


def test_a_lost_signal_is_told_within_half_a_second_and_so_is_its_return(
    service: Make, script: Script, clock: Clock
) -> None:
    one = service(script)
    one.until(lambda: bool(one.answers))
    script.pause()
    assert LOST_AFTER_S + STEP_S <= 0.5
    clock.now_s += LOST_AFTER_S + 0.01
    one.pump.step(0)
    assert one.statuses[-1].signal is Signal.LOST
    script.running.set()
    one.until(lambda: one.statuses[-1].signal is Signal.RUNNING)  # at the same moment of the clock


def test_a_live_frame_that_grew_old_while_the_child_was_away_is_not_answered(
    service: Make, script: Script, clock: Clock
) -> None:
    one = service(script)
    one.child.start()
    wait_for(lambda: one.pump.status().counters.frames > 0)
    script.pause()
    clock.now_s += AI_OFF_S + 1
    one.until(lambda: one.pump.status().counters.stale == 1)
    assert one.answers == []


def test_the_freeze_key_gives_an_answer_to_the_frame_on_the_screen(service: Make, script: Script) -> None:
    one = service(script)
    one.until(lambda: bool(one.answers))
    frozen = one.pump.freeze()
    assert frozen is not None
    one.until(lambda: any(answer.frame.is_freeze for answer in one.answers))
    assert [answer.frame.sequence for answer in one.answers if answer.frame.is_freeze] == [frozen.sequence]


def test_the_freeze_key_is_refused_where_no_fresh_frame_is(service: Make, script: Script, clock: Clock) -> None:
    one = service(script)
    one.until(lambda: bool(one.answers))
    script.pause()
    clock.now_s += AI_OFF_S + 0.1
    assert one.pump.freeze() is None


def test_the_status_is_told_each_second_for_the_watchdog(service: Make, script: Script, clock: Clock) -> None:
    one = service(script)
    one.until(lambda: len(one.answers) > 3)
    told = len(one.statuses)
    one.pump.step(0)
    assert len(one.statuses) == told
    clock.now_s += TELL_S
    one.pump.step(0)
    assert len(one.statuses) > told
