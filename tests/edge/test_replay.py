from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.checklist import checklist_from_exam
from edge.clip_replay import Picture, events_from_pictures, opened_from_digests, pictures_from_files
from edge.decision import Decision
from edge.errors import InputError
from edge.exam import exam_from_events, json_from_exam, state_after
from edge.exam_events import BY_MACHINE, BY_STORE, Captured, Ended, Event
from edge.exam_replay import replay_from_exam, stored_exam
from edge.files import sha256_from_bytes
from edge.prediction import NOT_STANDARD, Prediction
from edge.protocol import load_protocol
from edge.record import bytes_from_record
from edge.service.source import frames_of, open_source
from edge.service.source_options import SourceOptions
from edge.store import store_path
from edge.store_reader import open_reader
from tests.conftest import Command, check_told
from tests.edge.conftest import MANIFEST
from tests.edge.reports.exams import DEMO_MARKS, stored
from tests.edge.stored import opened
from tests.edge.test_service_sources import screen_video
from tests.edge.test_sources_dicom import dicom

Tissue = Callable[[int], NDArray[np.uint8]]
DEMO = load_protocol("demo")


def answer(frame: NDArray[np.uint8], probability: float = 0.9) -> Prediction:
    """The femur in bright frames, the abdomen in dark ones."""
    plane = "femur" if frame.mean() > 100 else "abdomen"
    accepted = probability >= 0.5
    return Prediction(
        plane, probability, accepted, plane if accepted else NOT_STANDARD, ((plane, probability),), "", 1.0
    )


def clip(tissue: Tissue, count: int = 8, rate_hz: float = 10.0) -> list[Picture]:
    """Speckle that moves: a femur after an abdomen, each long enough for a capture."""
    pictures = []
    for number in range(2 * count):
        bright = 60 if number >= count else 0
        frame = np.clip(np.roll(tissue(0).astype(int), 5 * number, axis=1) + bright - 20, 0, 255).astype(np.uint8)
        pictures.append(Picture(frame, number / rate_hz, False))
    return pictures


def gif(path: Path, pictures: list[Picture]) -> Path:
    """A clip as a file that tells its frames' times."""
    first, *others = [Image.fromarray(picture.pixels) for picture in pictures]
    first.save(path, save_all=True, append_images=others, duration=100)
    return path


def opening(*files: str) -> Any:
    return opened_from_digests(MANIFEST, "b" * 64, DEMO, files)


def test_a_stored_exam_is_folded_to_what_the_service_had(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = stored(store, fetuses=2)
        found = stored_exam(store, exam)
    live = exam_from_events(found.events[:1])
    for event in found.events[1:]:
        live = state_after(live, event)
    done = replay_from_exam(found.exam, len(found.events), None)
    assert json_from_exam(found.exam) == json_from_exam(live)
    assert done.state_sha256 == sha256_from_bytes(json_from_exam(live))
    assert done.checklist == checklist_from_exam(live, live.clock_s)


def test_two_replays_of_an_exam_are_the_same_bytes(edge: Command, tmp_path: Path) -> None:
    with opened(store_path(tmp_path / "home")) as store:
        exam = stored(store, marks=DEMO_MARKS)
    first, second = (edge("replay", exam, "-o", tmp_path / name, "--json") for name in ("a", "b"))
    assert first.out == second.out
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == first.out.encode()
    document = first.document
    assert (document["exam"], document["watermark"]) == (exam, DEMO_MARKS.watermark)
    assert [row["state"] for row in document["checklist"]["rows"]].count("confirmed") == 2
    assert "HN-2201" not in first.out
    assert "probability" not in first.out
    with open_reader(store_path(tmp_path / "home")) as reader:
        assert document["state_sha256"] == sha256_from_bytes(json_from_exam(stored_exam(reader, exam).exam))


def test_an_exam_is_shown_by_region_in_both_languages(edge: Command, tmp_path: Path) -> None:
    with opened(store_path(tmp_path / "home")) as store:
        exam = stored(store)
    out = edge("replay", exam).out
    assert all(text in out for text in ("3 required planes open", "Brain / 颅脑", "not obtainable", "仅供科研"))


def test_frames_of_a_clip_are_captured_and_stills_are_taken(tissue: Tissue) -> None:
    events = list(events_from_pictures(opening("f"), clip(tissue), answer))
    captured = [event for event in events if isinstance(event, Captured)]
    assert {event.plane for event in captured} == {"abdomen", "femur"}
    assert {event.capture.source for event in captured} == {BY_MACHINE}
    assert isinstance(events[-1], Ended)
    assert events[-1].wall == "1970-01-01T00:00:01.500+00:00"
    still = Picture(tissue(0), 0.0, True)
    (_, one, _) = events_from_pictures(opening("f"), [still], answer)
    assert isinstance(one, Captured)
    assert one.capture.source == BY_STORE


def test_latency_changes_nothing(tissue: Tissue) -> None:
    def slow(frame: NDArray[np.uint8]) -> Prediction:
        return replace(answer(frame), latency_ms=900.0)

    fast, late = (list(events_from_pictures(opening("f"), clip(tissue), one)) for one in (answer, slow))
    assert [bytes_from_record(event) for event in fast] == [bytes_from_record(event) for event in late]


def test_the_id_names_what_went_in(tissue: Tissue) -> None:
    ids = {opening("a").exam, opening("b").exam, opening("a", "b").exam}
    other = opened_from_digests(MANIFEST, "c" * 64, DEMO, ("a",)).exam
    assert len(ids | {other}) == 4
    assert opening("a").exam == opening("a").exam


def test_without_a_threshold_nothing_is_captured(tissue: Tissue) -> None:
    bare = replace(MANIFEST, decision=Decision(1.0, None, 0, None, "none"))
    events: list[Event] = list(
        events_from_pictures(opened_from_digests(bare, "b" * 64, DEMO, ()), clip(tissue), answer)
    )
    assert len(events) == 2


def test_files_come_one_after_the_other_at_their_own_rate(tissue: Tissue, tmp_path: Path) -> None:
    files = [gif(tmp_path / "a.gif", clip(tissue, 2)), tmp_path / "b.png"]
    Image.fromarray(tissue(1)).save(files[1])
    told: list[int] = []
    pictures = list(pictures_from_files(files, lambda pixels: pixels[:40, :50], told.append))
    assert [(picture.at_s, picture.is_still) for picture in pictures] == [
        (0.0, False), (0.1, False), (0.2, False), (0.3, False), (1.3, True)
    ]  # fmt: skip
    assert {picture.pixels.shape[:2] for picture in pictures} == {(40, 50)}
    assert told == [1, 2]


def test_a_video_is_replayed_as_the_service_sees_it(tmp_path: Path) -> None:
    path = screen_video(tmp_path / "a.mp4")
    served = list(frames_of(open_source(f"video:{path}", SourceOptions(fast=True)), None))
    replayed = list(pictures_from_files([path]))
    assert len(served) == len(replayed) == 10
    for one, other in zip(served, replayed, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_two_patients_are_never_replayed_as_one_exam(tissue: Tissue, tmp_path: Path) -> None:
    for number in range(2):
        dicom(tmp_path / f"{number}.dcm", tissue(number), PatientID=f"P{number}", StudyInstanceUID="1.2.3")
    files = sorted(tmp_path.glob("*.dcm"))
    with pytest.raises(InputError, match=r"1\.dcm is of another patient") as caught:
        list(pictures_from_files(files))
    assert "P0" not in str(caught.value)


def test_two_replays_of_a_clip_are_the_same_bytes(edge: Command, bundles: Any, tissue: Tissue, tmp_path: Path) -> None:
    bundle, clips = bundles.onnx(watermark="SYNTHETIC"), tmp_path / "clips"
    clips.mkdir()
    gif(clips / "a.gif", clip(tissue))
    Image.fromarray(tissue(2)).save(clips / "b.png")
    command = ("replay", clips, "--bundle", bundle, "--threads", 1)
    first, second = edge(*command, "--json"), edge(*command, "--json")
    assert first.code == 0, first.err
    assert first.out == second.out
    assert (first.document["protocol"], first.document["watermark"]) == ("demo", "SYNTHETIC")
    assert len(first.document["checklist"]["rows"]) == len(DEMO.planes)
    assert "latency" not in first.out
    shown = edge(*command, "--protocol", "prenatal21", "--roi", "0,0,90,90")
    assert "Four-chamber view" in shown.out
    assert "SYNTHETIC" in shown.out


def test_what_cannot_be_replayed_is_told(edge: Command, bundles: Any, tissue: Tissue, tmp_path: Path) -> None:
    Image.fromarray(tissue(0)).save(tmp_path / "a.png")
    with opened(store_path(tmp_path / "home")) as store:
        exam = stored(store)
    bundle = bundles.onnx()
    check_told(edge("replay", "nothing.mp4"), 2, "neither a file, a folder nor the id")
    check_told(edge("replay", tmp_path / "a.png"), 2, "needs a model")
    check_told(edge("replay", exam, "--bundle", bundle), 2, "has its model")
    check_told(edge("replay", exam[:-1] + ("0" if exam[-1] != "0" else "1")), 2, "There is no exam")
    check_told(edge("replay", tmp_path / "a.png", "--bundle", bundle, "--protocol", "x"), 2, "no protocol")
    check_told(edge("replay", tmp_path / "a.png", "--bundle", bundle, "--roi", "0,0,999,999"), 2, "reaches beyond")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    check_told(edge("replay", tmp_path / "b.png", "--bundle", bundle), 3, "b.png")
    assert json.loads(edge("replay", "nothing.mp4", "--json").out)["exit_code"] == 2
