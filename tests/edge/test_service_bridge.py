"""Frames that come from a bridge: the signal is what is seen here, or what the bridge says if worse."""

from __future__ import annotations

import numpy as np
import pytest

from edge.errors import InputError, UsageError
from edge.service.bridge_reader import BridgeReader
from edge.service.bridge_source import open_bridge_source
from edge.service.frame import Frame
from edge.service.signal_note import SignalNote, note_from_json
from edge.service.signal_state import Signal
from edge.service.source_options import SourceOptions

NOTE = {"source": "video", "signal": "lost", "cause": "The cable is out.", "cure": "Plug it in."}


class Bench:
    """A reader with a clock that the test moves."""

    def __init__(self, name: str) -> None:
        self.now_s = 100.0
        self.reader = BridgeReader(open_bridge_source(name, SourceOptions()), lambda: self.now_s)
        self.reader.start()

    def frame(self, source: str = "video", is_still: bool = False, seed: int | None = None) -> None:
        rng = np.random.default_rng(int(self.now_s * 1e3) if seed is None else seed)
        pixels = rng.integers(0, 255, (64, 64), dtype=np.uint8)
        self.reader.heard(Frame(pixels, 0, self.now_s, source, is_still=is_still))

    def pass_s(self, seconds: float) -> Signal:
        self.now_s += seconds
        return self.reader.state(self.now_s)

    def told(self, signal: str, cause: str = "") -> None:
        self.reader.told(SignalNote("video", Signal(signal), cause, ""))


def test_a_bridge_that_sends_nothing_is_a_lost_signal_within_half_a_second() -> None:
    bench = Bench("video")
    bench.frame()
    assert bench.pass_s(0.1) is Signal.RUNNING
    assert bench.pass_s(0.35) is Signal.LOST
    assert bench.reader.error is None
    bench.frame()
    assert bench.pass_s(0) is Signal.RUNNING


def test_before_the_first_frame_there_is_no_signal() -> None:
    assert Bench("video").pass_s(0) is Signal.LOST


def test_a_standing_picture_is_seen_here_too() -> None:
    bench = Bench("video")
    for _ in range(6):
        bench.frame(seed=1)
        bench.pass_s(0.1)
    assert bench.pass_s(0) is Signal.FROZEN


def test_what_the_bridge_says_of_a_lost_signal_counts_with_its_cause_until_a_frame_comes() -> None:
    bench = Bench("video")
    bench.frame()
    bench.told("lost", "The cable is out.")
    assert bench.pass_s(0.1) is Signal.LOST
    assert bench.reader.error is not None
    assert bench.reader.error.cause == "The cable is out."
    bench.frame()
    assert bench.pass_s(0.1) is Signal.RUNNING
    assert bench.reader.error is None


def test_a_bridge_cannot_make_it_better() -> None:
    bench = Bench("video")
    bench.pass_s(1.0)
    bench.told("running")
    assert bench.pass_s(0) is Signal.LOST


def test_a_frozen_picture_stays_told_while_frames_come() -> None:
    bench = Bench("video")
    bench.told("frozen")
    bench.frame()
    assert bench.pass_s(0.1) is Signal.FROZEN
    bench.told("running")
    assert bench.pass_s(0.1) is Signal.RUNNING


def test_stills_and_other_bridges_are_no_signal() -> None:
    bench = Bench("video")
    bench.pass_s(1.0)
    bench.frame(is_still=True)
    bench.frame("openigtlink")
    assert bench.pass_s(0) is Signal.LOST
    with pytest.raises(UsageError):
        bench.reader.told(SignalNote("openigtlink", Signal.RUNNING, "", ""))


def test_every_bridge_counts_where_none_is_named() -> None:
    bench = Bench("")
    bench.pass_s(1.0)
    bench.frame("openigtlink")
    assert bench.pass_s(0) is Signal.RUNNING


def test_a_bridge_that_sends_stills_has_no_signal_to_lose() -> None:
    assert Bench("dicom").pass_s(1000.0) is Signal.RUNNING


@pytest.mark.parametrize("name", ["Video", "a b", "/dev/video0", "x" * 17])
def test_what_is_no_name_of_a_bridge_is_told(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a bridge"):
        open_bridge_source(name, SourceOptions())


def test_a_region_that_nothing_would_cut_to_is_refused() -> None:
    """Bug: `--source bridge --roi` said nothing, and whole screens with their names were shown and stored."""
    with pytest.raises(UsageError, match="from a bridge, which cuts them"):
        open_bridge_source("video", SourceOptions(is_whole=True))


def test_a_note_is_read() -> None:
    assert note_from_json(NOTE) == SignalNote("video", Signal.LOST, "The cable is out.", "Plug it in.")


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "Video"}, {"source": ""}, {"signal": "good"}, {"signal": None}, {"cause": "x" * 201},
        {"cause": "two\nlines"}, {"cure": "\u2028"}, {"cure": 1}, {"more": ""},
    ],
)  # fmt: skip
def test_a_note_that_is_none_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="not valid"):
        note_from_json({**NOTE, **changes})
    with pytest.raises(InputError):
        note_from_json([])
