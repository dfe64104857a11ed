"""Pipes that stall, end, come back or hold something else; pipelines that cannot start."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DeviceError, EdgeError, ImageError, UsageError
from edge.service.source_options import SourceOptions
from firmware_bridge.video.bridge import VideoSettings, open_video
from firmware_bridge.video.pipe import Pipe
from firmware_bridge.video.pipe_sources import GstSource, PipeSource, frames_from_pipe
from tests.conftest import absent
from tests.firmware_bridge.bridging import WAIT_S, bridging

OPTIONS = SourceOptions()
HEAD = b"YUV4MPEG2 W48 H32 F60:1 Ip A1:1 C420jpeg\n"
FRAME = b"FRAME\n" + b"\x80" * (48 * 32 * 3 // 2)
SILENCE_S = 0.3


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """What a test reads from, and what it writes to."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue


def pipe_of(reading: int) -> Pipe:
    return Pipe(reading, SILENCE_S, threading.Event())


def test_frames_of_a_pipe_are_its_luma(ends: tuple[int, int]) -> None:
    os.write(ends[1], HEAD + 2 * FRAME)
    frames = frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video")
    first, second = next(frames), next(frames)
    assert first.pixels.shape == (32, 48)
    assert np.unique(first.pixels).tolist() == [130]
    assert (first.sequence, second.sequence) == (0, 1)


def test_a_head_in_the_middle_begins_another_size(ends: tuple[int, int]) -> None:
    os.write(ends[1], HEAD + FRAME + HEAD.replace(b"W48 H32", b"W32 H64") + b"FRAME\n" + b"\x80" * (32 * 64 * 3 // 2))
    frames = frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video")
    assert [next(frames).pixels.shape for _ in range(2)] == [(32, 48), (64, 32)]


def test_a_frame_does_not_change_when_the_next_one_comes(ends: tuple[int, int]) -> None:
    os.write(ends[1], HEAD.replace(b"C420jpeg", b"C420jpeg XCOLORRANGE=FULL") + FRAME + FRAME.replace(b"\x80", b"\x10"))
    frames = frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video")
    first, second = next(frames), next(frames)
    assert (first.pixels[0, 0], second.pixels[0, 0]) == (128, 16)


def test_a_stalled_writer_is_given_up_and_its_frames_before_are_kept(ends: tuple[int, int]) -> None:
    os.write(ends[1], HEAD + FRAME + FRAME[:100])
    frames, start_s = frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video"), time.monotonic()
    next(frames)
    with pytest.raises(DeviceError, match="has given nothing"):
        next(frames)
    assert SILENCE_S <= time.monotonic() - start_s < SILENCE_S + WAIT_S


def test_a_writer_that_goes_away_in_the_middle_is_told(ends: tuple[int, int]) -> None:
    os.write(ends[1], HEAD + FRAME[:100])
    os.close(ends[1])
    with pytest.raises(DeviceError, match="went away"):
        next(frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video"))


def test_a_bridge_that_ends_does_not_wait_for_the_pipe(ends: tuple[int, int]) -> None:
    stop, start_s = threading.Event(), time.monotonic()
    stop.set()
    with pytest.raises(DeviceError, match="bridge ends"):
        Pipe(ends[0], 60.0, stop).fill(bytearray(1))
    assert time.monotonic() - start_s < WAIT_S


@pytest.mark.parametrize(
    ("written", "error"),
    [(b"x" * 300, DeviceError), (b"RIFF....\n", ImageError), (HEAD + b"FRAMX\n" + FRAME, DeviceError)],
)
def test_what_is_no_video_is_told(ends: tuple[int, int], written: bytes, error: type[EdgeError]) -> None:
    os.write(ends[1], written)
    with pytest.raises(error):
        next(frames_from_pipe(pipe_of(ends[0]), OPTIONS, "video"))


def test_a_named_pipe_without_a_writer_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "video")
    source = PipeSource(str(tmp_path / "video"), OPTIONS, threading.Event(), SILENCE_S)
    with pytest.raises(DeviceError, match="has given nothing"):
        next(source.frames())


def test_a_named_pipe_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be opened") as caught:
        next(PipeSource(str(tmp_path / "video"), OPTIONS, threading.Event()).frames())
    assert "mkfifo" in caught.value.cure


def test_without_gstreamer_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeviceError, match="not installed"):
        next(GstSource(("videotestsrc",), OPTIONS, threading.Event()).frames())


@pytest.mark.peer
@pytest.mark.parametrize(
    ("words", "cause"),
    [(("nosuchelement",), "no element"), (("filesrc", "location=/nowhere"), "filesrc0: Resource not found")],
)
def test_what_gstreamer_says_is_the_cause(
    words: tuple[str, ...], cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("gst-launch-1.0") is None:
        absent("gstreamer1.0-tools is not installed")
    with pytest.raises(DeviceError, match=cause) as caught:
        next(GstSource(words, OPTIONS, threading.Event()).frames())
    assert "gst-launch-1.0" in caught.value.cure
    assert capfd.readouterr() == ("", "")


@pytest.mark.peer
def test_a_stalled_pipeline_does_not_outlive_a_bridge_that_is_killed(tmp_path: Path) -> None:
    if shutil.which("gst-launch-1.0") is None:
        absent("gstreamer1.0-tools is not installed")
    name = f"stalled{os.getpid()}"
    source = f"gst:appsrc name={name} ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
    with bridging("video", source, "--socket", tmp_path / "none.sock") as bridge:
        wait_until(lambda: is_pipeline_running(name))
        bridge.process.kill()
        wait_until(lambda: not is_pipeline_running(name))


def is_pipeline_running(name: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = path.read_bytes()  # of setpriv until it has tied the pipeline to the bridge and become it
            if b"gst-launch-1.0" in words.split(b"\0")[0] and f"name={name}".encode() in words:
                return True
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "text", ["pipe:", "gst:", "gst:a 'b", "folder:/tmp", "bridge", "demo", "http://x", "pipe:/etc/hosts"]
)
def test_what_is_no_source_of_video_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        open_video(VideoSettings(text, Path("none")), threading.Event(), time.monotonic)
