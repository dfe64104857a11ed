"""The demo: the same seed gives the same frames, planes come with their labels, nobody takes it for a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calibration.demo.slideshow import DemoFrame, labelled_frames
from calibration.demo.source import open_demo_source
from calibration.demo.stills import ORDER, stills_from_seed
from edge.errors import LabelsError, UsageError
from edge.frame_quality import quality_from_gray
from edge.preprocess import sector_from_gray
from edge.quality import unfit_from_frame
from edge.service.source import open_source
from edge.service.source_options import SourceOptions

SHORT = {"fps": 10.0, "hold_s": 0.6, "glide_s": 1.6, "last_hold_s": 0.6, "width": 384, "height": 288}


def short_frames(seed: int) -> list[DemoFrame]:
    return list(labelled_frames(seed, **SHORT))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def frames() -> list[DemoFrame]:
    return short_frames(3)


def test_the_same_seed_gives_the_same_frames(frames: list[DemoFrame]) -> None:
    for frame, again in zip(frames, short_frames(3), strict=True):
        assert np.array_equal(frame.pixels, again.pixels)
        assert (frame.label, frame.shown, frame.time_ms) == (again.label, again.shown, again.time_ms)


def test_another_seed_shows_other_images() -> None:
    first, second = (stills_from_seed(seed) for seed in (3, 4))
    assert {still.file for still in first.planes} != {still.file for still in second.planes}


def test_every_plane_is_visited_in_order_and_the_way_is_none(frames: list[DemoFrame]) -> None:
    labels = [frame.label for frame in frames]
    changes = [label for before, label in zip(["", *labels], labels, strict=False) if label != before]
    assert changes == [label for plane in ORDER for label in ("not_standard", plane)]
    assert 0.2 < labels.count("not_standard") / len(labels) < 0.8


def test_a_plane_is_labelled_only_beside_itself(frames: list[DemoFrame]) -> None:
    assert all(frame.label in (frame.beside, "not_standard") for frame in frames)


def test_a_held_plane_moves_and_stays_fit_for_the_model(frames: list[DemoFrame]) -> None:
    held = [frame.pixels for frame in frames if frame.label == ORDER[0]]
    reference, new = None, 0
    for pixels in held:
        quality, reference = quality_from_gray(pixels, reference)
        new += quality.is_new
        assert unfit_from_frame(pixels) is None
        assert quality.score > 0.5
    assert new > len(held) / 2


def test_mark_and_credit_stand_on_every_frame_below_the_picture(frames: list[DemoFrame]) -> None:
    strips = {frame.pixels[-22:].tobytes() for frame in frames}
    assert len(strips) == 1
    assert frames[0].pixels[-22:].max() > 120
    assert len(sector_from_gray(frames[12].pixels)) <= 288 - 22  # whoever cuts the screen away cuts the mark away


def test_a_slow_demo_is_a_fast_one_in_its_own_time() -> None:
    now, waits = [100.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    options = SourceOptions(seed=3, clock=lambda: now[0], sleep=sleep)
    frames = open_source("demo", options).frames()
    last = [next(frames) for _ in range(26)][-1]
    assert last.captured_s == pytest.approx(101.0)
    assert sum(waits) == pytest.approx(1.0)


def test_its_frames_open_an_exam_of_their_own() -> None:
    source = open_source("demo", SourceOptions(fast=True, seed=7))
    frame = next(source.frames())
    assert (source.kind, source.is_live, source.reopens) == ("demo", True, False)
    assert frame.key is not None
    assert (frame.key.patient, frame.key.study) == ("DEMO-7", "")
    assert frame.pixels.shape == (576, 768)
    assert frame.source == "demo"
    assert not frame.is_kept


def test_a_demo_of_phantoms_says_so() -> None:
    source = open_demo_source("phantom", SourceOptions(fast=True, seed=1))
    frame = next(source.frames())
    assert source.credit == "SYNTHETIC PHANTOM"
    assert frame.key is not None
    assert frame.key.patient == "DEMO-PHANTOM-1"


def test_the_credit_names_the_images() -> None:
    assert "FETAL_PLANES_DB" in open_demo_source("", SourceOptions()).credit


def test_an_unknown_demo_is_refused() -> None:
    with pytest.raises(UsageError, match="no demo 'zoo'"):
        open_demo_source("zoo", SourceOptions())


@pytest.mark.parametrize("wrong", [{"fps": 0.0}, {"hold_s": -1.0}, {"glide_s": 0.0}, {"width": 63}, {"height": 20}])
def test_a_demo_without_time_or_room_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="A demo of"):
        next(labelled_frames(0, **{**SHORT, **wrong}))  # type: ignore[arg-type]


def test_a_table_without_views_between_planes_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64), 90, np.uint8)).save(tmp_path / "a.png")
    table = tmp_path / "labels.csv"
    table.write_text("file,label,split\na.png,femur,val\n")
    with pytest.raises(LabelsError, match="too little for a demo"):
        stills_from_seed(0, table)
