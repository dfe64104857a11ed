"""Lost and frozen signals, by the clock."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.service.signal_state import Signal, SignalWatch

RATE_HZ = 30


def picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (480, 640), dtype=np.uint8)


def watched(frames: list[NDArray[np.uint8]], is_live: bool = True) -> tuple[SignalWatch, float]:
    """A watch after frames at 30 Hz, and the time of the last."""
    watch, now_s = SignalWatch(is_live, 0.0, 0.0), 0.0
    for frame in frames:
        now_s += 1 / RATE_HZ
        watch = watch.after_frame(frame, now_s)
    return watch, now_s


def test_moving_pictures_are_a_signal() -> None:
    watch, now_s = watched([picture(seed) for seed in range(30)])
    assert watch.state(now_s + 0.1) is Signal.RUNNING


def test_half_a_second_without_a_frame_is_a_lost_signal_and_the_next_frame_ends_it() -> None:
    watch, now_s = watched([picture(seed) for seed in range(30)])
    assert watch.state(now_s + 0.5) is Signal.LOST
    assert watch.after_frame(picture(99), now_s + 5).state(now_s + 5) is Signal.RUNNING


def test_half_a_second_of_one_picture_is_a_frozen_signal() -> None:
    watch, now_s = watched([picture(0), *[picture(1)] * 16])
    assert watch.state(now_s) is Signal.FROZEN
    assert watch.after_frame(picture(2), now_s + 0.03).state(now_s + 0.03) is Signal.RUNNING


def test_a_running_clock_and_noise_of_the_video_chain_do_not_hide_a_frozen_picture() -> None:
    frames = []
    for number in range(20):
        frame = (picture(0) // 2 + number % 3).astype(np.uint8)
        frame[:16, :24] = number * 12
        frames.append(frame)
    watch, now_s = watched(frames)
    assert watch.state(now_s) is Signal.FROZEN


def test_slow_motion_is_no_frozen_picture() -> None:
    wide = picture(0).repeat(8, 1).repeat(8, 0)
    watch, now_s = watched([wide[:480, shift : shift + 640] for shift in range(0, 80, 4)])
    assert watch.state(now_s) is Signal.RUNNING


def test_a_change_of_size_is_motion() -> None:
    watch, now_s = watched([*[picture(0)] * 20, picture(0)[:400]])
    assert watch.state(now_s) is Signal.RUNNING


@pytest.mark.parametrize("after_s", [0.5, 60.0])
def test_a_source_of_stills_is_never_lost(after_s: float) -> None:
    watch, now_s = watched([picture(0)] * 20, is_live=False)
    assert watch.state(now_s + after_s) is Signal.RUNNING
