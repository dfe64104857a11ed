"""From storescu through the bridge into a running plane check: every acknowledged picture is kept once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.keyring import Keyring
from edge.store import store_path
from edge.store_reader import open_reader
from firmware_bridge.dicom.forwarder import Forwarder
from firmware_bridge.dicom.received import name_from_uid
from firmware_bridge.dicom.scanner import Pretended, object_from_pictures
from firmware_bridge.dicom.spool import Spool
from firmware_bridge.dicom.still_client import StillClient
from tests.edge.conftest import Maker
from tests.edge.serving import Serving, bands_bundle, serving
from tests.firmware_bridge.dicom.receiving import files_of_objects, receiving
from tests.firmware_bridge.dicom.test_spool import head

pytestmark = pytest.mark.peer
STILLS = 24


def tissue(number: int, size_px: int = 96) -> Any:
    """A still that the bundle accepts, its first band bright; no two alike."""
    rng = np.random.default_rng(number)
    speckle = rng.normal(0, 20, (size_px // 4, size_px // 4)).repeat(4, 0).repeat(4, 1)
    frame = np.full((size_px, size_px), 60.0) + speckle + rng.normal(0, 3, (size_px, size_px))
    frame[: size_px // 3] += 120
    return np.clip(frame, 0, 255).astype(np.uint8)


def stills(count: int, patient: str = "P-1") -> list[Any]:
    return [object_from_pictures([tissue(number)], Pretended(patient=patient), number) for number in range(count)]


@pytest.fixture
def arguments(bundles: Maker, tmp_path: Path) -> tuple[object, ...]:
    source = ("--source", "bridge:dicom", "--no-page", "--socket", tmp_path / "api.sock")
    return bands_bundle(bundles), *source, "--store", store_path(tmp_path / "home")


@pytest.fixture
def service(keyring: Keyring, arguments: tuple[object, ...]) -> Iterator[Serving]:
    with serving(keyring.home, *arguments) as running:
        yield running


def captured_frames(home: Path) -> list[tuple[str, str]]:
    """Exam and frame of every stored capture, in order."""
    with open_reader(store_path(home)) as reader:
        return [
            (summary.exam, event.event["capture"]["frame"])
            for summary in reader.exams()
            for event in reader.events(summary.exam)
            if event.has_jpeg
        ]


def names(objects: list[Any]) -> list[str]:
    return [name_from_uid(made.SOPInstanceUID) for made in objects]


def test_stills_go_into_the_exam_of_their_patient_and_leave_the_spool(
    service: Serving, keyring: Keyring, tmp_path: Path
) -> None:
    objects = stills(STILLS)
    with receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        assert bridge.push(files_of_objects(tmp_path / "sent", objects)).returncode == 0
        assert bridge.wait_settled(STILLS) == ["kept"] * STILLS
        bridge.wait_empty()
        assert bridge.push(files_of_objects(tmp_path / "sent", objects)).returncode == 0  # again: known
        assert bridge.end()["spool"]["kept"] == STILLS
    view = service.view()["exam"]
    assert (view["patient"], view["study"]) == ("P-1", objects[0].StudyInstanceUID)
    assert service.end()[0] == 0
    assert sorted(frame for _, frame in captured_frames(keyring.home)) == sorted(names(objects))


def test_a_clip_is_classified_frame_by_frame_and_captured_as_live_pictures_are(
    service: Serving, tmp_path: Path
) -> None:
    clip = object_from_pictures([tissue(number) for number in range(30)], Pretended(patient="P-2"), 0)
    with receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        assert bridge.push(files_of_objects(tmp_path / "sent", [clip])).returncode == 0
        assert bridge.wait_settled(1) == ["judged"]
    view = service.view()
    assert view["engine"]["answered"] == 30
    (row,) = [row for row in view["exam"]["checklist"]["rows"] if row["frame"]]
    assert row["frame"].startswith(names([clip])[0])
    assert row["plane"] == "abdomen"


def test_what_comes_while_the_plane_check_is_away_is_kept_when_it_is_back(
    keyring: Keyring, arguments: tuple[object, ...], tmp_path: Path
) -> None:
    with receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        assert bridge.push(files_of_objects(tmp_path / "sent", stills(4))).returncode == 0
        assert len(bridge.waiting()) == 4
        with serving(keyring.home, *arguments):
            assert bridge.wait_settled(4) == ["kept"] * 4


def test_a_file_that_was_cut_since_it_was_checked_is_held_and_the_next_ones_go_on(tmp_path: Path) -> None:
    held: list[str] = []
    with Spool(tmp_path / "s") as spool:
        for number in range(3):  # more than there are threads
            spool.put([np.zeros((4, 6), np.uint8)], lambda number=number: head(number))  # type: ignore[misc]
        for path in (tmp_path / "s").glob("*.spool"):
            path.write_bytes(path.read_bytes()[:20])
        with Forwarder(spool, tmp_path / "none.sock", held.append):
            deadline = time.monotonic() + 5
            while len(held) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert spool.counts()["held"] == 3


def test_a_fault_of_the_program_in_one_object_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(self: StillClient, pixels: Any, name: str, *_: object, **__: object) -> str:
        if not name.endswith("3"):
            raise ZeroDivisionError
        return "kept"

    monkeypatch.setattr(StillClient, "settle_frame", faulty)
    told: list[str] = []
    with Spool(tmp_path / "s") as spool:
        for number in range(4):  # more than there are threads
            spool.put([np.zeros((4, 6), np.uint8)], lambda number=number: head(number))  # type: ignore[misc]
        with Forwarder(spool, tmp_path / "none.sock", told.append):
            deadline = time.monotonic() + 5
            while len(told) < 4:
                assert time.monotonic() < deadline, told
                time.sleep(0.01)
        assert (spool.counts()["held"], spool.counts()["kept"]) == (3, 1)


def test_a_clip_of_which_every_frame_was_dropped_is_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = iter(["dropped", "dropped", "dropped", "judged"])
    monkeypatch.setattr(StillClient, "settle_frame", lambda *_, **__: next(words))
    told: list[str] = []
    with Spool(tmp_path / "s") as spool:
        spool.put([np.full((4, 6), level, np.uint8) for level in (1, 2)], lambda: head(1, times_ms=(0.0, 40.0)))
        with Forwarder(spool, tmp_path / "none.sock", told.append) as forwarder:
            deadline = time.monotonic() + 10
            while not told:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert (told, forwarder.frames, next(words, "none left")) == (["judged"], 1, "none left")
        assert spool.counts()["judged"] == 1


def test_an_image_for_an_ended_exam_stays_in_the_spool(service: Serving, tmp_path: Path) -> None:
    objects = stills(2)
    files = files_of_objects(tmp_path / "sent", objects)
    with receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        bridge.push(files[:1])
        bridge.wait_settled(1)
        assert service.order("end", exam=service.view()["exam"]["checklist"]["exam"])[0] == 200
        assert bridge.push(files[1:]).returncode == 0
        service.wait_view(lambda view: view["exam"]["late_stills"])
        bridge.wait_logged("settled_late")  # it holds the picture
        assert len(bridge.waiting()) == 1
        assert bridge.end()["spool"]["held"] == 1


def test_after_kills_of_both_every_acknowledged_image_is_stored_once(
    keyring: Keyring, arguments: tuple[object, ...], tmp_path: Path
) -> None:
    objects = stills(STILLS)
    files = files_of_objects(tmp_path / "sent", objects)
    with serving(keyring.home, *arguments) as service, receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        pushing = threading.Thread(target=bridge.push, args=(files,))
        pushing.start()
        bridge.wait_settled(STILLS // 4)
        service.process.kill()
        bridge.process.kill()
        pushing.join()
    with serving(keyring.home, *arguments) as service, receiving(tmp_path / "spool", tmp_path / "api.sock") as bridge:
        assert bridge.push(files).returncode == 0  # a scanner sends again what it has no answer for
        words = bridge.wait_settled(STILLS)
        bridge.wait_empty()
        assert service.end()[0] == 0
    assert words == ["kept"] * STILLS
    found = [frame for _, frame in captured_frames(keyring.home)]
    assert sorted(found) == sorted(names(objects))
