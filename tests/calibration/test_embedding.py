"""The map of the features."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.reports.absent import Absent
from calibration.reports.embedding import Embedding, embedding_from_features

GROUPS = np.repeat([0.0, 30.0], 12)[:, None] + np.random.default_rng(0).normal(size=(24, 6))
FEATURES = GROUPS.astype(np.float32)


def test_images_that_are_alike_lie_together() -> None:
    found = embedding_from_features(FEATURES)
    assert isinstance(found, Embedding)
    points = np.array(found.points)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(24)
    assert ((distance.argmin(1) < 12) == (np.arange(24) < 12)).all()


def test_the_seed_repeats_the_map_and_few_images_lower_the_perplexity() -> None:
    found = embedding_from_features(FEATURES, seed=3)
    assert found == embedding_from_features(FEATURES, seed=3)
    assert isinstance(found, Embedding)
    assert (found.seed, found.perplexity) == (3, pytest.approx(23 / 3))


def test_a_map_of_many_images_shows_a_choice_of_them() -> None:
    found = embedding_from_features(FEATURES, limit=12)
    assert isinstance(found, Embedding)
    assert len(found.points) == len(found.images) == 12
    assert list(found.images) == sorted(set(found.images))


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (None, "no features"),
        (FEATURES[:9], "at least 10"),
        (np.full((20, 6), np.nan, np.float32), "finite"),
        (np.ones((20, 6), np.float32), "less than two features"),
        (FEATURES[:, :1], "less than two features"),
    ],
)
def test_features_that_make_no_map_say_why(features: np.ndarray | None, reason: str) -> None:  # type: ignore[type-arg]
    found = embedding_from_features(features)
    assert isinstance(found, Absent)
    assert reason in found.absent
