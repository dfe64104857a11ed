"""Activations -> the range [-amax, amax] that 255 integer steps shall cover.

::

    batches of values --streamed--> Histogram of |x| --method--> amax

Values are counted, never kept: when one is larger than the histogram reaches, bins are merged in pairs until it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

BINS = 8192  # 64 bins a step of the widest range, still 8 a step where amax is an eighth of the largest value
LEVELS = 127  # largest magnitude of symmetric int8
ENTROPY_BINS = 2048  # TensorRT's calibrator; 128 of them are the quantized distribution
ENTROPY_STRIDE = 16  # candidates of the entropy search, in bins; finer ones move amax by less than 1 %
MSE_CANDIDATES = 128  # candidates of the mean-square search between limit / 128 and limit
SMALLEST_AMAX = 1e-6  # range of a tensor that is always zero: any scale serves, but it must not be 0


@dataclass(frozen=True)
class Histogram:
    """Counts of |x| in equal bins.

    Attributes:
        counts: (BINS,).
        limit: upper edge of the last bin; 0 before the first value other than 0.
        amax: largest |x| seen.
    """

    counts: NDArray[np.int64]
    limit: float = 0.0
    amax: float = 0.0


def empty_histogram() -> Histogram:
    """A histogram of nothing."""
    return Histogram(np.zeros(BINS, np.int64))


def updated(histogram: Histogram, values: NDArray[np.float32]) -> Histogram:
    """Count a batch.

    Args:
        histogram: what was counted so far.
        values: activations, finite, any shape.

    Returns:
        A new histogram of both.
    """
    magnitudes = np.abs(values).ravel()
    amax = float(magnitudes.max(initial=0.0))
    counts, limit = histogram.counts, histogram.limit or (max(amax, SMALLEST_AMAX) if amax else 0.0)
    while limit < amax:
        counts = np.concatenate([counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2, np.int64)])
        limit *= 2
    if limit > 0:
        bins = np.minimum(magnitudes * np.float32(BINS / limit), np.float32(BINS - 1)).astype(np.int64)
        counts = counts + np.bincount(bins, minlength=BINS)
    return Histogram(counts, limit, max(amax, histogram.amax))


def amax_minmax(histogram: Histogram) -> float:
    """The largest magnitude: nothing is clipped."""
    return max(histogram.amax, SMALLEST_AMAX)


def amax_percentile(histogram: Histogram, percentile: float) -> float:
    """The magnitude that `percentile` % of the values do not exceed.

    Args:
        histogram: counted values.
        percentile: 0..100.
    """
    reached = np.cumsum(histogram.counts) >= histogram.counts.sum() * (percentile / 100)
    return _clipped(histogram, float((np.argmax(reached) + 1) * histogram.limit / BINS))


def amax_mse(histogram: Histogram) -> float:
    """The range with the least mean square of rounding and clipping."""
    candidates = histogram.limit * np.arange(1, MSE_CANDIDATES + 1) / MSE_CANDIDATES
    errors = [quantization_error(histogram, float(amax)) for amax in candidates]
    return _clipped(histogram, float(candidates[int(np.argmin(errors))]))


def amax_entropy(histogram: Histogram) -> float:
    """The range whose 128 levels keep the distribution best, by Kullback-Leibler divergence.

    Args:
        histogram: counted values.

    Returns:
        amax; that of `amax_minmax` where fewer than 128 bins hold values.

    Source:
        Migacz, 8-bit inference with TensorRT, GTC 2017. The first bin is left out: zeros of a ReLU would decide.
    """
    counts = histogram.counts.reshape(ENTROPY_BINS, -1).sum(1).astype(np.float64)
    counts[0] = 0
    if np.count_nonzero(counts) < LEVELS + 1:
        return amax_minmax(histogram)
    widths = np.arange(LEVELS + 1, ENTROPY_BINS + 1, ENTROPY_STRIDE)
    best = widths[int(np.argmin([_divergence(counts, int(width)) for width in widths]))]
    return _clipped(histogram, float((best + 0.5) * histogram.limit / ENTROPY_BINS))


def _divergence(counts: NDArray[np.float64], width: int) -> float:
    """KL divergence of the first `width` bins, clipped values in the last, from their 128-level form."""
    reference = counts[:width].copy()
    held = reference > 0
    level = np.minimum(np.arange(width) * (LEVELS + 1) // width, LEVELS)
    sums = np.bincount(level, weights=reference)
    members = np.bincount(level, weights=held)
    spread = np.where(held, (sums / np.maximum(members, 1))[level], 0.0)
    reference[-1] += counts[width:].sum()
    if spread[-1] == 0:
        spread[-1] = 1e-9 * spread.sum()  # clipped values fall where the coded form holds nothing: costly, but finite
    p, q = reference / reference.sum(), spread / spread.sum()
    held = p > 0
    return float((p[held] * np.log(p[held] / q[held])).sum())


def quantization_error(histogram: Histogram, amax: float) -> float:
    """Mean square of what int8 with range [-amax, amax] changes, in the tensor's units squared."""
    values = (np.arange(BINS) + 0.5) * (histogram.limit / BINS)
    scale = max(amax, SMALLEST_AMAX) / LEVELS
    errors = values - np.minimum(np.rint(values / scale), LEVELS) * scale
    return float((histogram.counts * errors**2).sum() / max(int(histogram.counts.sum()), 1))


def _clipped(histogram: Histogram, amax: float) -> float:
    return max(min(amax, histogram.amax), SMALLEST_AMAX)


METHODS: Mapping[str, Callable[[Histogram], float]] = {
    "minmax": amax_minmax,
    "percentile_99.99": partial(amax_percentile, percentile=99.99),
    "percentile_99.999": partial(amax_percentile, percentile=99.999),
    "entropy": amax_entropy,
    "mse": amax_mse,
}
