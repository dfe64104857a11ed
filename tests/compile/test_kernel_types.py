"""The native kernel's conversions, number by number: a scan whose state stays 0 passes D u through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from compile.kernels.native import NativeKernel
from tests.compile.scan_call import Scan, forward


def passed_through(
    kernel: NativeKernel, isa: int, u: NDArray[np.generic], y_dtype: str, scales: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.generic]:
    """u, (D,), in another type: one pixel, B = 0 and D = 1. `scales`: of u and y."""
    d = len(u)
    tensors = (torch.zeros(1, 1, 1, 3), torch.zeros(1, d, 1), torch.zeros(1, d), -torch.ones(1, d, 1), torch.ones(1, d))
    map_ = torch.from_numpy(u.copy()).reshape(1, 1, 1, d)
    scan = Scan((map_, *tensors), (scales[0], 1.0, scales[1]), (0,), y_dtype, np.empty(0))
    results = [forward(kernel, isa, scan, layout).reshape(-1) for layout in ("last", "first")]
    np.testing.assert_array_equal(*results)
    return results[0]


def all_halves() -> NDArray[np.float16]:
    """Every float16, infinite ones and NaN too."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_float16_is_read_exactly(kernel: NativeKernel, isa: int) -> None:
    halves = all_halves()
    with np.errstate(invalid="ignore"):
        expected = np.where(np.isfinite(halves), halves.astype(np.float32), np.nan)  # inf B is NaN in the reference too
    np.testing.assert_array_equal(passed_through(kernel, isa, halves, "float32"), expected)


def test_every_float16_is_written_exactly(kernel: NativeKernel, isa: int) -> None:
    halves = all_halves()
    finite = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(passed_through(kernel, isa, finite.astype(np.float32), "float16"), finite)


def test_float32_becomes_the_nearest_float16_with_ties_to_even(kernel: NativeKernel, isa: int) -> None:
    positive = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    halfway = np.append((positive[1:] + positive[:-1]) / 2, np.float32(65520))
    up, down = (np.nextafter(halfway, np.float32(limit), dtype=np.float32) for limit in (np.inf, 0))
    numbers = np.concatenate([halfway, up, down, [1e-30, 1e30, 3e38]]).astype(np.float32)
    numbers = np.concatenate([numbers, -numbers])
    with np.errstate(over="ignore"):
        expected = numbers.astype(np.float16)
    np.testing.assert_array_equal(passed_through(kernel, isa, numbers, "float16"), expected)


@pytest.mark.parametrize("scale", [1.0, 0.37, 1e-30])
def test_every_int8_is_read_exactly(kernel: NativeKernel, isa: int, scale: float) -> None:
    integers = np.arange(-128, 128).astype(np.int8)
    expected = integers * np.float32(scale)
    np.testing.assert_array_equal(passed_through(kernel, isa, integers, "float32", (scale, 1.0)), expected)


@pytest.mark.parametrize("scale", [1.0, 0.125, 64.0])
def test_int8_is_the_nearest_integer_with_ties_to_even(kernel: NativeKernel, isa: int, scale: float) -> None:
    quarters = np.arange(-600, 600, dtype=np.float32) / 4
    numbers = np.concatenate([quarters * np.float32(scale), np.float32([1e30, -1e30, 1e-30])])
    expected = np.rint(numbers / np.float32(scale)).clip(-127, 127).astype(np.int8)
    np.testing.assert_array_equal(passed_through(kernel, isa, numbers, "int8", (1.0, scale)), expected)


def test_nan_is_nan_in_float16_and_0_in_int8(kernel: NativeKernel, isa: int) -> None:
    numbers = np.float32([np.nan, 1.0] * 20)
    assert np.isnan(passed_through(kernel, isa, numbers, "float16")[::2]).all()
    np.testing.assert_array_equal(passed_through(kernel, isa, numbers, "int8"), [0, 1] * 20)
