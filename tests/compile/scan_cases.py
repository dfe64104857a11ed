"""Golden cases of SelectiveScan2D for every native form: sizes, operands, the truth, and the one table of tolerances.

::

    operands(*case) --stored(., dtype)--> what a kernel reads --> its y --check(., ., dtype)
               \\--values-----------------> reference, float64 --------------/
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compile.kernels.reference import selective_scan_2d_ref
from compile.kernels.torch_scan import selective_scan_2d

Case = tuple[int, int, int, int, int, int, Sequence[int]]

# |got - expected| <= relative |expected| + of_largest max(1, largest |expected|) + steps y_scale.
# The float32 arithmetic of every kernel, and half a step of the format that y is rounded to: 2^-11 of a normal
# float16, 2^-25 below them, half a step of int8. The reference reads the operands as they are stored.
TOLERANCES = {  # relative, of_largest, steps
    "float32": (2e-5, 2e-5, 0.0),
    "float16": (2e-5 + 2**-11, 2e-5, 2**-25),
    "int8": (2e-5, 2e-5, 0.5),
    "gradient": (1e-4, 1e-4, 0.0),
}
INT8_MAX = 127
DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}

ALL = (0, 1, 2, 3)
CASES: list[Case] = [  # batch, height, width, D, R, N, routes
    *((2, *size, 17, 3, 1, ALL) for size in ((1, 1), (1, 7), (5, 1), (2, 3), (7, 5), (14, 14))),
    *((1, 4, 5, 16, 2, 1, routes) for routes in ((0,), (1,), (2,), (3,), (0, 2), (1, 3), (2, 1, 0), (1, 1, 3, 0, 2))),
    *((1, 5, 4, 33, rank, 1, (0, 3)) for rank in (1, 2, 4, 6, 7, 15, 48)),
    *((2, 3, 6, 19, 2, states, ALL) for states in (2, 3, 16)),
    *((batch, 3, 3, 8, 1, 1, (1, 2)) for batch in (1, 3, 8)),
    (1, 112, 112, 5, 2, 1, (0, 3)),
]
MIXES = [  # types of u, x_dbl and y
    *(("float32",) * 3, ("float16",) * 3, *(("int8", "int8", y) for y in ("float16", "float32", "int8"))),
    *(("float16", "float32", "int8"), ("float32", "int8", "float16")),
]
SMALL = [case for case in CASES if case[1] < 100]


def operands(batch: int, height: int, width: int, d: int, r: int, n: int, routes: Sequence[int]) -> list[Tensor]:
    """u, x_dbl, dt_weight, dt_bias, A, D in float32, channels last; the same at every call."""
    k = len(routes)
    shapes = [(batch, height, width, d), (batch, height, width, k * (r + 2 * n)), (k, d, r), (k, d), (k, d, n), (k, d)]
    generator = torch.Generator().manual_seed(height * 100 + r)
    tensors = [torch.randn(shape, generator=generator) for shape in shapes]
    tensors[4] = -tensors[4].exp()
    return tensors


def channels_first(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same operands with layout "first"."""
    return [*(tensor.permute(0, 3, 1, 2).contiguous() for tensor in tensors[:2]), *tensors[2:]]


def stored(tensor: Tensor, dtype: str) -> tuple[Tensor, float]:
    """A map as a kernel reads it, and its scale: value = scale * stored; 1 for floats."""
    if dtype != "int8":
        return tensor.to(DTYPES[dtype]), 1.0
    scale = scale_of(tensor)
    return (tensor / scale).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8), scale


def scale_of(tensor: Tensor | NDArray[np.float64]) -> float:
    """The int8 scale of a map: a float32 number, as the ABI carries it. A tenth of the range is cut, to see it done."""
    largest = float(abs(tensor).max()) if 0 not in tensor.shape else 1.0
    return float(np.float32(0.9 * largest / INT8_MAX))


def values(tensor: Tensor, scale: float) -> Tensor:
    """What a stored map stands for, float64."""
    return tensor.double() * scale


def reference(tensors: Sequence[Tensor], routes: Sequence[int], layout: str = "last") -> NDArray[np.float64]:
    """y, float64."""
    return selective_scan_2d_ref(*(tensor.numpy() for tensor in tensors), routes, layout)


def gradients(
    tensors: Sequence[Tensor], routes: Sequence[int], layout: str, upstream: Tensor
) -> list[NDArray[np.float64]]:
    """Of the six operands, float64: autograd through the torch form."""
    inputs = [tensor.double().requires_grad_() for tensor in tensors]
    selective_scan_2d(*inputs, list(routes), layout).backward(upstream.double())
    return [tensor.grad.numpy() for tensor in inputs if tensor.grad is not None]


def check(
    got: Tensor | NDArray[np.generic], expected: NDArray[np.float64], tolerance: str = "float32", scale: float = 1.0
) -> None:
    """Assert that a result is the truth.

    Args:
        got: as the kernel wrote it.
        expected: the truth.
        tolerance: a key of TOLERANCES.
        scale: of `got` where it is int8.
    """
    relative, of_largest, steps = TOLERANCES[tolerance]
    largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
    result = np.asarray(got, np.float64) * scale
    if tolerance == "int8":
        expected = expected.clip(-INT8_MAX * scale, INT8_MAX * scale)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, relative, of_largest * largest + steps * scale)
