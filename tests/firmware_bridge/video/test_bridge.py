"""`edge bridge video` before a real plane check: pipelines, pipes that stall, files and devices that vanish."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.keyring import Keyring
from tests.conftest import Command, absent
from tests.edge.conftest import Maker
from tests.edge.serving import Serving, bands_bundle, captured, serving
from tests.edge.test_service_sources import screen_video
from tests.firmware_bridge.bridging import WAIT_S, bridging, started

SIZE = (320, 240)
ROI = "100,80,160,120"
WHITE = 235  # of video levels
TOLD_S = 0.5  # of the issue
SLACK_S = 0.5  # a loaded machine, and the time of asking


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "video.y4m")
    return tmp_path / "video.y4m"


class Writer:
    """Writes YUV4MPEG2 into a named pipe, 60 frames a second, while it is told to."""

    def __init__(self, path: Path, size: tuple[int, int] = SIZE) -> None:
        self._size, self._stream = size, path.open("wb", buffering=0)
        self.moving, self.going, self._end = threading.Event(), threading.Event(), threading.Event()
        self.moving.set()
        self.going.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_heard(self) -> bool:
        """False once the reader closed the pipe under it."""
        return self._thread.is_alive()

    def end(self) -> None:
        self._end.set()
        self._thread.join(WAIT_S)
        self._stream.close()

    def _run(self) -> None:
        width, height = self._size
        rng, number = np.random.default_rng(1), 0
        picture = np.full((height, width), 16, np.uint8)
        fan = (60 + rng.normal(0, 20, (15, 20)).repeat(8, 0).repeat(8, 1)).clip(20, 120).astype(np.uint8)
        fan[:40] += 80
        picture[8:20, 16:200] = WHITE  # what a scanner writes above the fan
        chroma = b"\x80" * (width * height // 2)
        try:
            self._stream.write(b"YUV4MPEG2 W%d H%d F60:1 Ip A1:1 C420jpeg\n" % self._size)
            while not self._end.is_set():
                if self.going.is_set():
                    number += self.moving.is_set()
                    picture[80:200, 100:260] = np.roll(fan, 5 * number, axis=1)
                    self._stream.write(b"FRAME\n" + picture.tobytes() + chroma)
                time.sleep(1 / 60)
        except BrokenPipeError:
            return


@contextmanager
def writing(path: Path, size: tuple[int, int] = SIZE) -> Iterator[Writer]:
    writer = Writer(path, size)
    try:
        yield writer
    finally:
        writer.end()


def write_until_shown(service: Serving, path: Path) -> None:
    """Start a writer as often as the bridge throws it out together with bytes that the one before it left behind."""
    deadline = time.monotonic() + WAIT_S
    while True:
        with writing(path) as writer:
            while writer.is_heard:
                if service.view()["source"]["signal"] == "running":
                    return
                assert time.monotonic() < deadline, service.view()
                time.sleep(0.05)


def wait_signal(service: Serving, wanted: str) -> float:
    """Seconds until the plane check shows it."""
    start_s = time.monotonic()
    service.wait_view(lambda view: view["source"]["signal"] == wanted)
    return time.monotonic() - start_s


@pytest.mark.peer
def test_a_gstreamer_pipeline_at_60_frames_a_second_is_answered(service: Serving) -> None:
    if shutil.which("gst-launch-1.0") is None:
        absent("gstreamer1.0-tools is not installed")
    caps = "video/x-raw,format=I420,width=640,height=480,framerate=60/1"
    pipeline = f"gst:videotestsrc is-live=true pattern=snow ! {caps}"
    arguments = ("--socket", service.ready["socket"], "--roi", "100,40,440,400@640x480")
    with bridging("video", pipeline, *arguments) as bridge:
        wait_signal(service, "running")
        first = service.view()["source"]["frame"]
        service.wait_view(lambda view: view["source"]["frame"] > first + 45)
        view = service.view()
        assert (view["source"]["width_px"], view["source"]["height_px"]) == (440, 400)
        bridge.process.terminate()
        counts = bridge.wait(lambda line: line["event"] == "ended")
        assert bridge.process.wait(WAIT_S) == 0
    assert counts["sent"] + counts["dropped"] > 45
    assert counts["away"] == counts["refused"] == 0


@pytest.mark.peer
def test_a_pipeline_that_ends_is_started_again(service: Serving) -> None:
    if shutil.which("gst-launch-1.0") is None:
        absent("gstreamer1.0-tools is not installed")
    pipeline = "gst:videotestsrc pattern=snow num-buffers=20 ! video/x-raw,width=320,height=240,framerate=60/1"
    with bridging("video", pipeline, "--socket", service.ready["socket"], "--roi", ROI):
        service.wait_view(lambda view: "went away" in view["engine"]["cause"])
        first = service.view()["source"]["frame"]
        service.wait_view(lambda view: view["source"]["frame"] > first)


def test_a_pipe_is_captured_stalls_freezes_and_goes_on(service: Serving, fifo: Path) -> None:
    with bridging("video", f"pipe:{fifo}", "--socket", service.ready["socket"], "--roi", ROI), writing(fifo) as writer:
        assert set(service.wait_view(captured)) == {"abdomen"}
        writer.going.clear()
        assert wait_signal(service, "lost") < TOLD_S + SLACK_S
        writer.going.set()
        wait_signal(service, "running")
        writer.moving.clear()
        assert wait_signal(service, "frozen") < TOLD_S + SLACK_S
        writer.moving.set()
        wait_signal(service, "running")


def test_what_is_written_outside_the_region_is_nowhere_in_the_store(service: Serving, fifo: Path) -> None:
    with bridging("video", f"pipe:{fifo}", "--socket", service.ready["socket"], "--roi", ROI), writing(fifo):
        view = service.wait_view(lambda view: view if captured(view) else None)
    exam, rows = view["exam"]["checklist"]["exam"], view["exam"]["checklist"]["rows"]
    frames = [row["frame"] for row in rows if row["frame"]]
    assert frames
    for place in ("live.jpg", *(f"exams/{exam}/frames/{frame}.jpg" for frame in frames)):
        status, jpeg = service.request("GET", f"/api/{place}")
        assert status == 200
        pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))
        assert pixels.shape == (120, 160)
        assert pixels.max() < 245  # the writing is 255


def test_without_a_region_the_fan_is_kept(service: Serving, fifo: Path) -> None:
    before = service.view()["source"]["frame"]  # of another test's bridge
    with bridging("video", f"pipe:{fifo}", "--socket", service.ready["socket"]), writing(fifo):
        view = service.wait_view(lambda view: view if view["source"]["frame"] != before else None)
    assert (view["source"]["width_px"], view["source"]["height_px"]) == (160, 120)


def test_a_pipe_that_comes_back_with_another_size_is_lost_with_its_cause(service: Serving, fifo: Path) -> None:
    with bridging("video", f"pipe:{fifo}", "--socket", service.ready["socket"], "--roi", ROI) as bridge:
        with writing(fifo):
            wait_signal(service, "running")
            bridge.wait(lambda line: line.get("signal") == "running")
        bridge.wait(lambda line: "went away" in line.get("cause", ""))  # its last frame is with the service now
        service.wait_view(lambda view: "went away" in view["engine"]["cause"])
        sent = service.view()["source"]["frame"]
        with writing(fifo, (640, 480)):
            view = service.wait_view(lambda view: view if "another size" in view["engine"]["cause"] else None)
            assert (view["source"]["signal"], view["source"]["frame"]) == ("lost", sent)
        write_until_shown(service, fifo)


def test_a_bridge_that_is_killed_costs_the_signal_and_not_the_exam(service: Serving, fifo: Path) -> None:
    arguments = ("video", f"pipe:{fifo}", "--socket", service.ready["socket"], "--roi", ROI)
    with bridging(*arguments) as bridge, writing(fifo):
        service.wait_view(captured)
        exam = service.view()["exam"]["checklist"]["exam"]
        bridge.process.send_signal(signal.SIGKILL)
        assert wait_signal(service, "lost") < TOLD_S + SLACK_S
    with bridging(*arguments), writing(fifo):
        wait_signal(service, "running")
    view = service.view()
    assert view["exam"]["checklist"]["exam"] == exam
    assert set(captured(view)) == {"abdomen"}


def test_a_service_that_starts_later_is_found(bundles: Maker, keyring: Keyring, tmp_path: Path, fifo: Path) -> None:
    with bridging("video", f"pipe:{fifo}", "--socket", tmp_path / "api.sock", "--roi", ROI) as bridge, writing(fifo):
        bridge.wait(lambda line: "does not answer" in line.get("cause", ""))
        arguments = ("--source", "bridge:video", "--port", 0, "--socket", tmp_path / "api.sock")
        with serving(keyring.home, bands_bundle(bundles), *arguments) as service:
            wait_signal(service, "running")


def test_a_file_ends_the_bridge_in_order_and_the_source_with_it(
    service: Serving, edge: Command, tmp_path: Path
) -> None:
    done = edge("bridge", "video", f"video:{screen_video(tmp_path / 'film.mp4', 25)}", *options(service))
    assert done.code == 0
    counts = done.lines[-1]
    assert (counts["event"], counts["sent"] + counts["dropped"]) == ("ended", 25)
    assert service.view()["source"]["signal"] == "ended"


def test_the_good_part_of_a_file_that_is_cut_off_is_sent(service: Serving, edge: Command, tmp_path: Path) -> None:
    film = screen_video(tmp_path / "film.avi", 25)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    done = edge("bridge", "video", f"video:{film}", *options(service))
    assert done.code in (0, 3)  # whether the end is missed depends on FFmpeg's version
    (counts,) = (line for line in done.lines if line.get("event") == "ended")
    assert 5 < counts["sent"] + counts["dropped"] < 20


def test_a_device_that_is_not_there_is_waited_for_with_its_cause(service: Serving) -> None:
    with bridging("video", "camera:/dev/video97", "--socket", service.ready["socket"]):
        service.wait_view(lambda view: "/dev/video97 gives no picture" in view["engine"]["cause"])


def test_a_lost_device_is_told_also_after_a_service_that_was_away(
    bundles: Maker, keyring: Keyring, tmp_path: Path
) -> None:
    with bridging("video", "camera:/dev/video97", "--socket", tmp_path / "api.sock") as bridge:
        bridge.wait(lambda line: "does not answer" in line.get("cause", ""))
        arguments = ("--source", "bridge:video", "--port", 0, "--socket", tmp_path / "api.sock")
        with serving(keyring.home, bands_bundle(bundles), *arguments):
            told = bridge.wait(lambda line: "/dev/video97 gives no picture" in line.get("cause", ""))
    assert told["cure"]


def test_a_source_that_hangs_ends_the_process_for_systemd_to_start_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film")  # opened by PyAV it waits for a writer, as a driver does for a signal
    start_s = time.monotonic()
    code, out = started("video", f"video:{tmp_path / 'film'}", "--socket", tmp_path / "none.sock", "--stuck", 1)
    assert code == 4
    assert "cannot be interrupted" in out
    assert time.monotonic() - start_s < WAIT_S


@pytest.mark.parametrize(
    ("source", "code", "cause"),
    [("video:/nowhere/film.mp4", 3, "not there"), ("video:/etc/hosts", 3, "damaged"), ("folder:/tmp", 2, "no source")],
)
def test_what_cannot_be_a_source_is_told(source: str, code: int, cause: str, edge: Command, tmp_path: Path) -> None:
    done = edge("bridge", "video", source, "--socket", tmp_path / "none.sock", "--json")
    assert done.code == code
    assert cause in done.out


def options(service: Serving) -> tuple[object, ...]:
    return "--socket", service.ready["socket"], "--json"
