"""What is kept of a screen: the fan, found and held; a region that was given; nothing around either."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import InputError, UsageError
from edge.service.frame import Frame
from edge.service.newest import Newest
from edge.service.own_source import OwnSource
from edge.service.reader import Reader
from edge.service.roi import FIND_FRAMES, FIND_WITHIN_S, Roi, roi_from_gray, roi_from_text
from edge.service.signal_state import Signal
from edge.service.source import frames_of

FAN = Roi(120, 60, 240, 200)
WAIT_S = 60.0  # a loaded machine
NAME = 255  # gray level of a patient's name above the fan


def screen(fan: Roi | None = FAN, seed: int = 0, side: tuple[int, int] = (320, 480)) -> NDArray[np.uint8]:
    """A black screen with a line of text and, if asked, a speckled fan."""
    picture = np.zeros(side, np.uint8)
    picture[10:18, 20:28] = NAME
    if fan is not None:
        speckle = np.random.default_rng(seed).integers(13, 200, (fan.height, fan.width), dtype=np.uint8)
        picture[fan.top : fan.top + fan.height, fan.left : fan.left + fan.width] = speckle
    return picture


@dataclass(frozen=True)
class Screens(OwnSource):
    """A source of given pictures, 30 a second."""

    pictures: tuple[NDArray[np.uint8], ...]
    reopens: bool = False
    is_screen: bool = True
    kind: str = "video"
    is_live: bool = True

    def frames(self) -> Iterator[Frame]:
        for number, pixels in enumerate(self.pictures):
            yield Frame(pixels, number, number / 30, self.kind)


def kept(*pictures: NDArray[np.uint8], roi: Roi | None = None, is_screen: bool = True) -> list[Frame]:
    return list(frames_of(Screens(pictures, is_screen=is_screen), roi))


def test_a_screen_is_cut_to_its_fan_and_no_frame_is_lost() -> None:
    frames = kept(*(screen(seed=seed) for seed in range(FIND_FRAMES + 3)))
    assert [frame.sequence for frame in frames] == list(range(FIND_FRAMES + 3))
    assert {frame.pixels.shape for frame in frames} == {(FAN.height, FAN.width)}
    assert not any((frame.pixels == NAME).any() for frame in frames)


def test_what_is_handed_on_does_not_hold_the_screen_in_memory() -> None:
    frames = kept(*(screen(seed=seed) for seed in range(FIND_FRAMES)))
    assert all(frame.pixels.base is None for frame in frames)


def test_the_fan_is_held_while_the_picture_is_dark() -> None:
    small = Roi(FAN.left, FAN.top, FAN.width, FAN.height // 2)
    frames = kept(*(screen(seed=seed) for seed in range(FIND_FRAMES)), screen(small), screen(None))
    assert {frame.pixels.shape for frame in frames} == {(FAN.height, FAN.width)}
    assert not frames[-1].pixels.any()


def test_the_fan_is_what_was_lit_in_any_frame_of_the_search() -> None:
    half = Roi(FAN.left, FAN.top, FAN.width, FAN.height // 2)
    frames = kept(*(screen(half if seed % 2 else FAN, seed) for seed in range(FIND_FRAMES)))
    assert frames[0].pixels.shape == (FAN.height, FAN.width)


def test_frames_before_the_fan_are_not_handed_on() -> None:
    frames = kept(screen(None), *(screen(seed=seed) for seed in range(FIND_FRAMES)))
    assert frames[0].sequence == 1


def test_another_size_of_frames_is_searched_anew() -> None:
    other, side = Roi(200, 100, 500, 400), (600, 800)
    first = [screen(seed=seed) for seed in range(FIND_FRAMES)]
    frames = kept(*first, *(screen(other, seed, side) for seed in range(FIND_FRAMES)))
    assert [frame.pixels.shape for frame in frames[::FIND_FRAMES]] == [(200, 240), (400, 500)]


def test_a_short_video_is_cut_as_well() -> None:
    assert [frame.pixels.shape for frame in kept(screen(), screen())] == [(FAN.height, FAN.width)] * 2


def test_a_video_without_a_fan_says_so() -> None:
    with pytest.raises(InputError, match="480x320") as caught:
        kept(screen(None), screen(None))
    assert "--roi" in caught.value.cure


def test_a_camera_without_a_fan_is_down_with_its_cause() -> None:
    source = Screens((screen(None),) * round(30 * FIND_WITHIN_S + 5), reopens=True)
    reader = Reader(lambda: source, Newest(), time.monotonic)
    reader.start()
    deadline = time.monotonic() + WAIT_S
    while reader.state(0.0) is not Signal.LOST:  # no clock's word: at this time no frame is late
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert isinstance(reader.error, InputError)
    reader.close()


def test_other_sources_are_whole_unless_a_region_is_given() -> None:
    assert kept(screen(None), is_screen=False)[0].pixels.shape == (320, 480)
    roi = Roi(100, 50, 64, 48)
    cut = kept(screen(), roi=roi, is_screen=False)[0].pixels
    np.testing.assert_array_equal(cut, screen()[50:98, 100:164])


def test_a_region_beyond_the_frame_is_told() -> None:
    with pytest.raises(UsageError, match="480x320"):
        kept(screen(), roi=Roi(0, 0, 481, 320))


def test_a_region_belongs_to_one_size_of_frames() -> None:
    """Another resolution moves the name banner into the same numbers."""
    roi = Roi(100, 50, 64, 48)
    with pytest.raises(InputError, match="800x600 px, and the region 100,50,64,48@480x320"):
        kept(screen(), screen(side=(600, 800)), roi=roi)
    with pytest.raises(InputError, match="belongs to another size"):
        kept(screen(), roi=replace(roi, frame_px=(800, 600)))
    assert len(kept(screen(), screen(), roi=replace(roi, frame_px=(480, 320)))) == 2


def test_a_grabber_that_comes_back_with_another_resolution_is_down_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.service.reader.REOPEN_S", 0.02)
    openings, causes = list[int](), set[str]()
    box = Newest()

    def opened() -> Screens:
        openings.append(1)
        is_other = len(openings) > 1 and not causes  # until it was seen what that does
        return Screens((screen(side=(600, 800) if is_other else (320, 480)),), reopens=True)

    reader = Reader(opened, box, time.monotonic, Roi(100, 50, 64, 48))
    reader.start()
    deadline = time.monotonic() + WAIT_S
    while box.counts.frames < 2 and time.monotonic() < deadline:
        error = reader.error  # read once: the other thread clears it
        causes |= {str(error)} if error else set()
        time.sleep(0.002)
    reader.close()
    assert box.counts.frames >= 2
    assert "800x600" in causes.pop()


def test_a_region_is_read() -> None:
    assert roi_from_text("320, 60,1280,960") == Roi(320, 60, 1280, 960)
    assert roi_from_text("320,60,1280,960@1920x1080") == Roi(320, 60, 1280, 960, (1920, 1080))
    assert str(roi_from_text("320,60,1280,960 @ 1920x1080")) == "320,60,1280,960@1920x1080"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "-1,0,64,64",
        "0,0,64,31",
        "0,0,0x40,64",
        "٣,0,64,64",
        "0,0,64,64@",
        "0,0,64,64@640",
        "0,0,64,64@63x64",
    ],
)
def test_what_is_no_region_is_told(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        roi_from_text(text)
    assert "--roi" in caught.value.cure


def test_text_and_black_are_no_fan() -> None:
    assert roi_from_gray(np.zeros((320, 480), np.uint8)) is None
    assert roi_from_gray(screen(None)) is None
    lines = np.zeros((320, 480), np.uint8)
    lines[::12, ::3] = 255  # sparse text over the whole screen
    assert roi_from_gray(lines) is None


@pytest.mark.parametrize("level", [16, 40, 240])
def test_a_screen_with_a_lit_background_is_no_fan(level: int) -> None:
    """A page of patients, or black that a grabber hands on as 16: its box would be the whole screen, names and all."""
    picture = np.maximum(screen(), np.uint8(level))
    picture[10:18, 20:28] = 0
    assert roi_from_gray(picture) is None
