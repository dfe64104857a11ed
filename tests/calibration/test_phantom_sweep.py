"""A made-up examination: the frames are the same each time, glide, and say what they show."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from calibration.phantom.planes import NOT_STANDARD
from calibration.phantom.sweep import SweepFrame, sweep_from_patient
from edge.errors import UsageError


@pytest.fixture(scope="module")
def sweep() -> list[SweepFrame]:
    return list(sweep_from_patient(3, ("TTV", "4C"), fps=8, hold_s=0.5, glide_s=1.5, width=320, height=240))


def test_the_same_seed_gives_the_same_frames(sweep: list[SweepFrame]) -> None:
    again = islice(sweep_from_patient(3, ("TTV", "4C"), fps=8, hold_s=0.5, glide_s=1.5, width=320, height=240), 7)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(again, sweep, strict=False))


def test_it_goes_from_plane_to_plane_through_views_that_are_none(sweep: list[SweepFrame]) -> None:
    labels = [frame.label for frame in sweep]
    changes = [labels[0], *(b for a, b in pairwise(labels) if a != b)]
    assert changes == ["TTV", NOT_STANDARD, "4C"]


def test_frames_have_the_asked_size_and_times(sweep: list[SweepFrame]) -> None:
    assert {frame.pixels.shape for frame in sweep} == {(240, 320)}
    assert [frame.time_ms for frame in sweep[:3]] == [0.0, 125.0, 250.0]


def test_neighbouring_frames_are_alike_and_far_ones_are_not(sweep: list[SweepFrame]) -> None:
    pictures = np.stack([frame.pixels.astype(np.float32)[::4, ::4] for frame in sweep])
    steps = np.abs(np.diff(pictures, axis=0)).mean((1, 2))
    assert steps.max() < 2.5 * np.abs(pictures[0] - pictures[-1]).mean()
    assert np.median(steps) < np.abs(pictures[0] - pictures[-1]).mean()


@pytest.mark.parametrize(("planes", "fps"), [((), 20.0), (("TTV",), 0.0), (("heart",), 20.0)])
def test_a_sweep_that_cannot_be_is_a_usage_error(planes: tuple[str, ...], fps: float) -> None:
    with pytest.raises(UsageError):
        next(iter(sweep_from_patient(0, planes, fps)))
