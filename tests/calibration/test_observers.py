"""Streamed histograms and the ranges that the methods read from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calibration.observers import (
    LEVELS,
    METHODS,
    Histogram,
    amax_entropy,
    amax_minmax,
    amax_mse,
    amax_percentile,
    empty_histogram,
    quantization_error,
    updated,
)


def histogram_of(values: NDArray[np.float32]) -> Histogram:
    return updated(empty_histogram(), values)


def normal(count: int = 50_000, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


def test_every_value_is_counted_once_however_the_range_grows() -> None:
    histogram = empty_histogram()
    for factor in (0.01, 1.0, 300.0, 5.0):
        histogram = updated(histogram, normal(1000) * np.float32(factor))
    assert histogram.counts.sum() == 4000
    assert histogram.limit >= histogram.amax


def test_counts_of_a_stream_equal_those_of_the_whole_where_the_range_is_known_at_first() -> None:
    values = normal()
    values[0] = np.abs(values).max() + 1
    streamed = updated(histogram_of(values[:20_000]), values[20_000:])
    np.testing.assert_array_equal(streamed.counts, histogram_of(values).counts)


def test_minmax_is_the_largest_magnitude() -> None:
    assert amax_minmax(histogram_of(np.array([0.5, -3.0, 2.0], np.float32))) == 3.0


def test_percentile_agrees_with_numpy_within_two_bins() -> None:
    values = normal()
    histogram = histogram_of(values)
    expected = np.percentile(np.abs(values), 99.9, method="inverted_cdf")
    assert amax_percentile(histogram, 99.9) == pytest.approx(expected, abs=2 * histogram.limit / len(histogram.counts))


def test_percentile_leaves_a_lone_outlier_out() -> None:
    values = np.append(normal(), np.float32(1000.0))
    assert amax_percentile(histogram_of(values), 99.99) < 10


@pytest.mark.parametrize("method", [amax_entropy, amax_mse])
def test_searches_clip_the_tail_of_a_laplace_distribution(method: object) -> None:
    values = np.random.default_rng(0).laplace(size=200_000).astype(np.float32)
    histogram = histogram_of(values)
    assert callable(method)
    assert 2.0 < method(histogram) < 0.9 * histogram.amax


def test_mse_is_no_worse_than_any_other_method() -> None:
    values = np.random.default_rng(1).standard_t(3, size=100_000).astype(np.float32)
    histogram = histogram_of(values)
    errors = {name: quantization_error(histogram, method(histogram)) for name, method in METHODS.items()}
    assert errors["mse"] <= 1.05 * min(errors.values())


def test_error_from_counts_agrees_with_the_values_themselves() -> None:
    values = normal()
    histogram = histogram_of(values)
    scale = 2.0 / LEVELS
    exact = np.square(np.clip(np.rint(values / scale), -LEVELS, LEVELS) * scale - values).mean()
    assert quantization_error(histogram, 2.0) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_tensor_of_zeros_gets_a_positive_range(method: object) -> None:
    assert callable(method)
    assert method(histogram_of(np.zeros((2, 5), np.float32))) > 0


def test_entropy_ignores_how_many_zeros_a_relu_made() -> None:
    values = np.abs(normal())
    with_zeros = np.concatenate([values, np.zeros_like(values)])
    assert amax_entropy(histogram_of(with_zeros)) == amax_entropy(histogram_of(values))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50), st.sampled_from(sorted(METHODS)))
def test_no_method_reaches_beyond_what_was_seen(values: list[float], name: str) -> None:
    histogram = histogram_of(np.array(values, np.float32))
    assert 0 < METHODS[name](histogram) <= max(histogram.amax, 1e-6)
