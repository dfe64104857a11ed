"""What each measure answers to, and that a repeated picture is told."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edge.exam_watch import LOW_QUALITY
from edge.frame_quality import FROZEN_LEVELS, FrameQuality, quality_from_gray

SAMPLES = Path(__file__).parents[2] / "calibration" / "samples"


@pytest.fixture(scope="module")
def gray() -> NDArray[np.uint8]:
    """A trans-thalamic plane of the val split at a scanner's size."""
    picture = Image.open(SAMPLES / "images" / "Patient00683_Plane3_2_of_2.jpg").convert("L")
    return np.asarray(picture.resize((1024, 708), Image.Resampling.BICUBIC))


def quality(gray: NDArray[np.uint8]) -> FrameQuality:
    return quality_from_gray(gray, None)[0]


def brightened(gray: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    return np.clip(gray * factor, 0, 255).astype(np.uint8)


def test_every_measure_lies_between_0_and_1(gray: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)
    for picture in (gray, noise, np.zeros((64, 64), np.uint8), np.full((32, 4000), 255, np.uint8)):
        found = quality(picture)
        assert all(0 <= v <= 1 for v in (found.focus, found.gain, found.coverage, found.fresh, found.score))


def test_a_stored_plane_is_not_low_quality(gray: NDArray[np.uint8]) -> None:
    assert quality(gray).score > LOW_QUALITY


def test_blur_lowers_focus_and_leaves_the_rest(gray: NDArray[np.uint8]) -> None:
    blurred = quality(np.asarray(Image.fromarray(gray).filter(ImageFilter.GaussianBlur(6))))
    assert blurred.focus < 0.3 * quality(gray).focus
    assert blurred.gain == pytest.approx(quality(gray).gain, abs=0.1)
    assert blurred.score < LOW_QUALITY


def test_gain_does_not_pass_for_detail(gray: NDArray[np.uint8]) -> None:
    assert quality(brightened(gray, 0.7)).focus == pytest.approx(quality(gray).focus, abs=0.15)


@pytest.mark.parametrize("factor", [0.35, 4.0])
def test_too_dark_and_too_bright_lower_gain(gray: NDArray[np.uint8], factor: float) -> None:
    assert quality(brightened(gray, factor)).gain < 0.8 * quality(gray).gain


def test_lost_contact_lowers_coverage(gray: NDArray[np.uint8]) -> None:
    shadowed = gray.copy()
    shadowed[:, : gray.shape[1] // 2] = 0
    assert quality(shadowed).coverage < 0.7 * quality(gray).coverage


def test_a_black_frame_scores_nothing() -> None:
    assert quality(np.zeros((480, 640), np.uint8)).score == 0


def test_size_changes_a_score_little(gray: NDArray[np.uint8]) -> None:
    small = np.asarray(Image.fromarray(gray).resize((512, 354), Image.Resampling.BOX))
    assert quality(small).score == pytest.approx(quality(gray).score, abs=0.1)


def test_the_same_picture_is_a_repetition_with_the_same_digest(gray: NDArray[np.uint8]) -> None:
    first, reference = quality_from_gray(gray, None)
    second, _ = quality_from_gray(gray.copy(), reference)
    assert first.is_new and not second.is_new
    assert (second.fresh, second.digest) == (0.0, first.digest)


def test_grabber_noise_and_a_blinking_cursor_are_no_new_picture(gray: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.clip(np.rint(gray + rng.normal(0, 2, gray.shape)), 0, 255).astype(np.uint8) for _ in range(2)]
    noisy[1][20:40, 20:30] = 255
    _, reference = quality_from_gray(noisy[0], None)
    assert not quality_from_gray(noisy[1], reference)[0].is_new


def test_a_moved_picture_is_new(gray: NDArray[np.uint8]) -> None:
    _, reference = quality_from_gray(gray, None)
    assert quality_from_gray(np.roll(gray, 4, axis=1), reference)[0].is_new


def test_a_slow_drift_adds_up() -> None:
    picture = np.full((256, 256), 100, np.uint8)
    _, reference = quality_from_gray(picture, None)
    news = 0
    for step in range(1, 9):
        picture = picture.copy()
        picture[: 32 * step] = 101  # an eighth of a gray level a step
        found, reference = quality_from_gray(picture, reference)
        news += found.is_new
    assert news == int(1 / FROZEN_LEVELS)


def test_another_size_is_another_picture(gray: NDArray[np.uint8]) -> None:
    _, reference = quality_from_gray(gray, None)
    assert quality_from_gray(gray[:300, :300], reference)[0].is_new


def test_a_frame_of_1024x768_takes_under_2_ms_of_one_core(gray: NDArray[np.uint8]) -> None:
    frame = np.asarray(Image.fromarray(gray).resize((1024, 768)))
    spans_s = []
    for _ in range(20):
        start_s = time.thread_time()
        quality_from_gray(frame, None)
        spans_s.append(time.thread_time() - start_s)
    assert min(spans_s) < 0.002
