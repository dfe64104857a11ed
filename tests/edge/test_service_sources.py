"""Sources by name: folder, video, pipe, camera, other packages'; driven by the reader."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.errors import DeviceError, EdgeError, ImageError, InputError, UsageError
from edge.exam_keys import ExamKey
from edge.service import plugins
from edge.service.frame import Frame
from edge.service.newest import Newest
from edge.service.reader import Reader
from edge.service.signal_state import Signal
from edge.service.sink import open_sink
from edge.service.source import open_source
from edge.service.source_options import SourceOptions
from edge.service.video_source import VideoSource

WAIT_S = 60.0  # a loaded machine
FAST = SourceOptions(fast=True)
Tissue = Callable[[int], NDArray[np.uint8]]


def video(path: Path, frames: int = 10, format: str | None = None) -> Path:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            pixels = np.random.default_rng(index).integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def screen_video(path: Path, frames: int = 10) -> Path:
    """A fan of speckle on a black screen with a name above it."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(frames):
            pixels = np.zeros((240, 320, 3), np.uint8)
            pixels[80:200, 100:260] = np.random.default_rng(index).integers(60, 220, (120, 160, 1), dtype=np.uint8)
            pixels[8:20, 16:40] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def simulated(pause_s: float = 1.0) -> SourceOptions:
    """A clock that only sleeping moves, from 100 s on."""
    now = [100.0]
    return SourceOptions(
        pause_s=pause_s, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )


def dicom(path: Path, patient: str, study: str, has_region: bool = True) -> None:
    """A DICOM still with a patient and a study, its region all of it."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    header = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = UltrasoundImageStorage, UID("1.2.3")
    header.PatientID, header.StudyInstanceUID, header.PatientName = patient, UID(study), "Doe^Jane"
    header.Rows = header.Columns = 64
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 8, 8, 7
    header.PixelData = bytes(64 * 64)
    if has_region:
        region = Dataset()
        region.RegionSpatialFormat = region.RegionDataType = 1
        region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
        region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = 63
        header.SequenceOfUltrasoundRegions = [region]
    header.save_as(path, enforce_file_format=True)


def drive(source: Any, box: Newest | None = None) -> tuple[Reader, Newest]:
    box = box or Newest()
    reader = Reader(lambda: source, box, time.monotonic)
    reader.start()
    return reader, box


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


def until_told(frames: Iterator[Frame], told: str) -> list[Frame]:
    """All frames of a source that ends with an error."""
    given = list[Frame]()
    with pytest.raises(InputError, match=told):
        for frame in frames:
            given.append(frame)  # those before the error count
    return given


def test_a_folder_gives_its_pictures_as_stills_and_passes_over_a_damaged_one(tmp_path: Path, tissue: Tissue) -> None:
    for name in ("b", "a", "c"):
        Image.fromarray(tissue(0)).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    with open_source(f"folder:{tmp_path}", FAST) as source:
        frames = until_told(source.frames(), "1 of 3 files could not be used whole")
    assert [(frame.sequence, frame.is_still, frame.source) for frame in frames] == [
        (0, True, "folder"),
        (1, True, "folder"),
    ]


def test_a_folder_without_a_readable_picture_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError):
        list(open_source(f"folder:{tmp_path}", FAST).frames())


def test_a_picture_that_is_gone_meanwhile_does_not_end_the_folder(tmp_path: Path, tissue: Tissue) -> None:
    """Bug: one vanished file ended the source, and the pictures behind it were never seen."""
    for name in "abc":
        Image.fromarray(tissue(0)).save(tmp_path / f"{name}.png")
    frames = open_source(f"folder:{tmp_path}", FAST).frames()
    next(frames)
    (tmp_path / "b.png").unlink()
    assert len(until_told(frames, "1 of 3 files")) == 1


@pytest.mark.parametrize("made", [Path.mkdir, Path.touch], ids=["folder", "empty"])
def test_what_is_no_video_file_is_bad_input_and_not_a_fault_of_the_source(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    """Bug: "The source video failed: OSError. Report it.", exit 1."""
    made(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match="cannot be read as a video"):
        list(open_source(f"video:{tmp_path / 'a.mp4'}", FAST).frames())


def test_a_slideshow_pauses_between_pictures(tmp_path: Path, tissue: Tissue) -> None:
    for name in "abc":
        Image.fromarray(tissue(0)).save(tmp_path / f"{name}.png")
    frames = list(open_source(f"folder:{tmp_path}", simulated(pause_s=1.5)).frames())
    assert [frame.captured_s for frame in frames] == pytest.approx([100, 101.5, 103])


def test_a_clip_in_a_folder_comes_at_its_own_rate_and_is_no_still(tmp_path: Path, tissue: Tissue) -> None:
    Image.fromarray(tissue(0)).save(tmp_path / "a.png")
    screen_video(tmp_path / "b.mp4")
    frames = list(open_source(f"folder:{tmp_path}", simulated(pause_s=1.5)).frames())
    assert [frame.is_kept for frame in frames] == [True, *[False] * 10]
    assert frames[-1].captured_s == pytest.approx(101.5 + 0.36, abs=2e-3)


def test_dicom_files_bring_patient_and_study(tmp_path: Path) -> None:
    for name, patient, study in (("a", "P1", "1.2.3"), ("b", "P2 ", "1.2.4"), ("c", "", "")):
        dicom(tmp_path / f"{name}.dcm", patient, study)
    frames = list(open_source(f"folder:{tmp_path}", FAST).frames())
    assert [frame.key for frame in frames] == [ExamKey("P1", "1.2.3"), ExamKey("P2", "1.2.4"), None]
    assert [frame.is_still for frame in frames] == [True] * 3


def test_a_video_in_a_folder_is_a_screen_and_cut_to_its_fan(tmp_path: Path) -> None:
    screen_video(tmp_path / "a.mp4")
    cut, whole = (
        list(open_source(f"folder:{tmp_path}", SourceOptions(fast=True, is_whole=is_whole)).frames())
        for is_whole in (False, True)
    )
    assert len(cut) == len(whole) == 10
    height, width = cut[0].pixels.shape[:2]
    assert abs(height - 120) <= 8
    assert abs(width - 160) <= 8
    assert whole[0].pixels.shape[:2] == (240, 320)


def test_a_dicom_file_without_a_region_is_a_screen_and_kept_only_if_it_shows_a_fan(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", "P1", "1.2.3", has_region=False)
    dicom(tmp_path / "b.dcm", "P1", "1.2.3")
    assert len(until_told(open_source(f"folder:{tmp_path}", FAST).frames(), "No ultrasound fan")) == 1
    (tmp_path / "b.dcm").unlink()
    with pytest.raises(InputError, match="No ultrasound fan"):
        list(open_source(f"folder:{tmp_path}", FAST).frames())


def test_a_video_comes_at_its_own_rate(tmp_path: Path) -> None:
    frames = list(open_source(f"video:{video(tmp_path / 'a.mp4')}", simulated()).frames())
    assert [frame.captured_s for frame in frames] == pytest.approx([100 + 0.04 * i for i in range(10)], abs=2e-3)
    assert not any(frame.is_kept for frame in frames)


def test_a_video_goes_on_at_its_own_rate_after_the_machine_slept(tmp_path: Path) -> None:
    now, times = [100.0], list[float]()
    options = SourceOptions(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    for frame in open_source(f"video:{video(tmp_path / 'a.mp4')}", options).frames():
        times.append(frame.captured_s)
        now[0] += 3600 if len(times) == 5 else 0
    assert np.diff(times[5:]) == pytest.approx(0.04, abs=2e-3)


def test_a_fast_video_does_not_wait(tmp_path: Path) -> None:
    options = SourceOptions(fast=True, sleep=lambda _: pytest.fail("it waited"))
    assert len(list(open_source(f"video:{video(tmp_path / 'a.mp4')}", options).frames())) == 10


def test_a_pipe_that_stalls_is_a_lost_signal_within_half_a_second(tmp_path: Path) -> None:
    data = video(tmp_path / "a.ts", frames=200, format="mpegts").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader, box = drive(open_source(f"video:{pipe}", FAST))
    with pipe.open("wb", buffering=0) as writer:
        first = threading.Thread(target=writer.write, args=(data[: len(data) // 2],), daemon=True)
        first.start()
        wait_for(lambda: box.counts.frames > 0)
        first.join(WAIT_S)  # two writers at once would mix the two halves
        started_s = time.monotonic()
        wait_for(lambda: reader.state(time.monotonic()) is Signal.LOST)
        assert time.monotonic() - started_s < 1.5  # 0.5 by the clock; the machine may be loaded
        count = box.counts.frames
        writer.write(data[len(data) // 2 :])
        wait_for(lambda: box.counts.frames > count)
    wait_for(lambda: reader.state(time.monotonic()) is Signal.ENDED)
    reader.close()


def test_a_mistake_in_a_source_ends_it_with_an_error_and_not_the_service() -> None:
    class Broken(VideoSource):
        def frames(self) -> Iterator[Frame]:
            raise ZeroDivisionError

    reader, _ = drive(Broken(Path("a.mp4"), FAST))
    wait_for(lambda: reader.state(time.monotonic()) is Signal.ENDED)
    assert isinstance(reader.error, EdgeError)


@pytest.mark.parametrize("text", ["", "tape:x", "folder", "video:"])
def test_a_source_that_cannot_be_meant_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        open_source(text, FAST)


@pytest.mark.parametrize("text", ["folder:/nowhere", "video:/nowhere/a.mp4"])
def test_a_place_that_is_not_there_is_told(text: str) -> None:
    with pytest.raises(ImageError, match="is not there"):
        open_source(text, FAST)


def made_here(where: str, *options: object) -> tuple[str, tuple[object, ...]]:
    """What an entry point of these tests makes."""
    return where, options


@pytest.mark.parametrize(
    ("group", "opened"),
    [("edge.frame_sources", lambda text: open_source(text, FAST)), ("edge.sinks", open_sink)],
)
def test_another_package_adds_sources_and_sinks(
    group: str, opened: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point(EntryPoint):
        def load(self) -> Any:
            if self.name == "broken":
                raise ModuleNotFoundError("No module", name="pynetdicom")
            return made_here

    points = [Point(name, "anything", group) for name in ("dicom", "broken")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    assert opened("dicom:0.0.0.0:11112")[0] == "0.0.0.0:11112"
    with pytest.raises(UsageError, match="'tape'") as caught:
        opened("tape:1")
    assert "dicom" in caught.value.cure
    with pytest.raises(DeviceError, match="pynetdicom"):
        opened("broken:1")
