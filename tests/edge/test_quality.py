from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.quality import CHECKS, thumbnail_from_frame, unfit_from_frame
from edge.sources.images import load_image

SAMPLES = Path(__file__).parents[2] / "calibration" / "samples"
Tissue = Callable[[int, int], NDArray[np.uint8]]


def sample_files() -> list[Path]:
    with (SAMPLES / "labels.csv").open(newline="") as stream:
        return [SAMPLES / row["file"] for row in csv.DictReader(stream)]


def test_no_shipped_image_is_unfit() -> None:
    files = sample_files()
    assert len(files) >= 8
    assert {file.name: unfit_from_frame(load_image(file)) for file in files} == {file.name: None for file in files}


def test_no_shipped_image_on_a_large_black_screen_is_unfit() -> None:
    for file in sample_files()[::4]:
        screen = Image.new("L", (1280, 1024))
        screen.paste(Image.open(file).convert("L").resize((500, 400)), (300, 200))
        assert unfit_from_frame(np.asarray(screen)) is None, file.name


@pytest.mark.parametrize("tint", [(1.0, 0.75, 0.5), (0.6, 0.8, 1.0), (1.0, 0.9, 0.4)])
def test_a_tinted_image_is_fit(tint: tuple[float, float, float]) -> None:
    for file in sample_files()[::4]:
        gray = np.asarray(Image.open(file).convert("L"), np.float32)
        assert unfit_from_frame((gray[..., None] * np.float32(tint)).astype(np.uint8)) is None, file.name


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_constant_frame_is_blank(level: int) -> None:
    assert str(unfit_from_frame(np.full((480, 640), level, np.uint8))).startswith("blank")


def test_a_black_frame_with_sensor_noise_is_blank() -> None:
    noise = np.random.default_rng(0).normal(2, 2, (480, 640)).clip(0, 255).astype(np.uint8)
    assert str(unfit_from_frame(noise)).startswith("blank")


def test_white_noise_is_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), dtype=np.uint8)
    assert str(unfit_from_frame(noise)).startswith("noise")


@pytest.mark.parametrize("colours", [((200, 20, 10), (20, 40, 220)), ((255, 160, 0), (0, 160, 255))])
def test_a_colour_doppler_box_is_colour(tissue: Tissue, colours: tuple[tuple[int, int, int], ...]) -> None:
    frame = np.stack([tissue(1, 384)] * 3, axis=-1)
    frame[100:180, 120:190] = colours[0]
    frame[200:240, 120:190] = colours[1]
    assert str(unfit_from_frame(frame)).startswith("colour")


def test_a_photograph_is_colour() -> None:
    y, x = np.mgrid[0:300, 0:400]
    sky, grass = np.array([90, 150, 230]), np.array([60, 140, 50])
    photograph = np.where((y < 150)[..., None], sky, grass) + (20 * np.sin(x / 9) * np.cos(y / 7))[..., None]
    assert str(unfit_from_frame(photograph.clip(0, 255).astype(np.uint8))).startswith("colour")


def test_a_small_coloured_marker_is_fit(tissue: Tissue) -> None:
    frame = np.stack([tissue(1, 384)] * 3, axis=-1)
    frame[10:40, 10:40] = (0, 220, 60)
    assert unfit_from_frame(frame) is None


@pytest.mark.parametrize(("background", "ink"), [(0, 255), (0, 150), (235, 0), (60, 220)])
@pytest.mark.parametrize("size_px", [12, 24, 40])
def test_a_text_screen_is_text(background: int, ink: int, size_px: int) -> None:
    screen = Image.new("L", (1024, 768), background)
    drawing, font = ImageDraw.Draw(screen), ImageFont.load_default(size_px)
    for row in range(40, 720, 2 * size_px):
        drawing.text((60, row), "Patient 0042   Exam 20/40 weeks   Setup", fill=ink, font=font)
    assert str(unfit_from_frame(np.asarray(screen))).startswith("text")


def test_each_check_can_be_left_out() -> None:
    blank = np.zeros((64, 64), np.uint8)
    assert unfit_from_frame(blank, ("blank",)) is not None
    assert unfit_from_frame(blank, ("colour",)) is None
    assert set(CHECKS) == {"blank", "colour", "noise", "text"}


def test_the_answer_is_the_same_every_time(tissue: Tissue) -> None:
    assert len({unfit_from_frame(tissue(0, 96)) for _ in range(3)}) == 1


def test_a_thumbnail_keeps_the_aspect() -> None:
    assert thumbnail_from_frame(np.zeros((1080, 1920, 3), np.uint8)).shape == (155, 275, 3)
