"""Video files: frames in order, their time, damage."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DeviceError, ImageError
from edge.sources.images import frames_from_path

av = pytest.importorskip("av", reason="PyAV is not installed")


def video(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    noise: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            pixels = np.full((size[1], size[0], 3), 20 * index % 256, np.uint8)
            if noise:
                pixels = np.random.default_rng(index).integers(0, 255, pixels.shape, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv"])
def test_every_frame_comes_with_its_time(tmp_path: Path, suffix: str) -> None:
    frames = list(frames_from_path(video(tmp_path / f"a.{suffix}")))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time_ms for frame in frames] == pytest.approx([40 * i for i in range(12)], abs=1)
    assert [float(frame.pixels.mean()) for frame in frames] == pytest.approx([20 * i for i in range(12)], abs=4)


def test_video_is_known_by_content(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4").rename(tmp_path / "clip.bin")
    assert len(list(frames_from_path(path))) == 12


def test_cut_video_is_refused(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ImageError):
        list(frames_from_path(path))


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_a_video_whose_end_was_cut_off_gives_its_part_and_then_says_so(tmp_path: Path, name: str) -> None:
    """Bug: FFmpeg takes what is there, so half a video was replayed as if it were whole."""
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = video(tmp_path / name, frames=100, noise=True, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = frames_from_path(path)
    with pytest.raises(ImageError, match=r"its end is missing|is damaged after"):
        for count, _ in enumerate(frames, 1):
            assert count < 60
    assert count > 40


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.ts"])
def test_a_whole_video_of_some_seconds_is_not_taken_for_a_cut_one(tmp_path: Path, name: str) -> None:
    assert len(list(frames_from_path(video(tmp_path / name, frames=100)))) == 100


def test_text_renamed_to_mp4_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("note\n" * 100)
    with pytest.raises(ImageError):
        list(frames_from_path(path))


def test_playlist_that_names_another_file_is_refused(tmp_path: Path) -> None:
    video(tmp_path / "secret.mp4")
    path = tmp_path / "a.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.mp4\n#EXT-X-ENDLIST\n")
    with pytest.raises(ImageError):
        list(frames_from_path(path))


def test_tiny_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="at least 32"):
        list(frames_from_path(video(tmp_path / "a.mp4", size=(16, 16))))


def test_missing_pyav_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DeviceError, match="pip install"):
        list(frames_from_path(path))


def test_a_recording_that_begins_in_the_middle_of_a_stream_is_timed_from_its_first_frame(tmp_path: Path) -> None:
    """Bug: its frames told the hours of the stream, and `edge serve` slept that long before the first one."""
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 3600 * 25 + index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert [frame.time_ms for frame in frames_from_path(path)] == pytest.approx([40 * i for i in range(12)], abs=1)
