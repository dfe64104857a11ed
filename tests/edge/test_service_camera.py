"""A camera: what is none, one that is plugged in later, one that is unplugged and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import DeviceError
from edge.service.camera_source import CameraSource
from edge.service.newest import Newest
from edge.service.reader import Reader
from edge.service.signal_state import Signal
from edge.service.source import open_source
from tests.edge.test_service_sources import FAST, drive, wait_for

UNMOVED_S = 0.0  # before every frame: no signal is lost by waiting, only by the reader's word


def test_what_is_no_device_names_the_cure() -> None:
    with pytest.raises(DeviceError, match="is no camera") as caught:
        open_source("camera:/dev", FAST)
    assert "camera:/dev/video" in caught.value.cure


def test_a_camera_that_is_not_plugged_in_yet_is_a_lost_signal_with_its_cause_and_waited_for() -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    reader, _ = drive(open_source("camera:/dev/video97", FAST))
    wait_for(lambda: reader.state(UNMOVED_S) is Signal.LOST)
    assert "/dev/video97 gives no picture" in str(reader.error)
    reader.close()


def test_a_device_that_is_no_camera_is_refused() -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    with pytest.raises(DeviceError, match="gives no picture"):
        list(open_source("camera:/dev/null", FAST).frames())


def test_a_camera_that_is_unplugged_is_lost_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = threading.Event()
    plugged.set()

    def pictures(device: Path) -> Iterator[NDArray[np.uint8]]:
        rng = np.random.default_rng(0)
        while plugged.is_set():
            yield rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            time.sleep(0.02)
        raise DeviceError(f"The camera {device} gives no picture.", "Plug it in.")

    monkeypatch.setattr("edge.service.reader.REOPEN_S", 0.05)
    reader, box = drive(CameraSource(Path("/dev/video0"), FAST, pictures))
    wait_for(lambda: box.counts.frames > 2)
    assert reader.state(UNMOVED_S) is Signal.RUNNING
    plugged.clear()
    wait_for(lambda: reader.state(UNMOVED_S) is Signal.LOST)
    assert reader.error is not None
    plugged.set()
    wait_for(lambda: reader.state(UNMOVED_S) is Signal.RUNNING)
    last, frame = box.counts.frames, box.take(1)
    assert frame is not None
    assert frame.sequence >= last - 1
    reader.close()
    wait_for(lambda: reader.state(UNMOVED_S) is Signal.ENDED)


def test_a_mistake_in_opening_a_source_again_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.service.reader.REOPEN_S", 0.05)
    opened: list[int] = []

    def open_it() -> CameraSource:
        opened.append(1)
        if len(opened) == 2:
            raise ZeroDivisionError
        return CameraSource(Path("/dev/video0"), FAST, lambda device: iter(()))

    reader = Reader(open_it, Newest(), time.monotonic)
    reader.start()
    wait_for(lambda: len(opened) > 2)
    reader.close()
