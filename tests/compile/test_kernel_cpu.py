"""The native CPU kernel against the float64 reference and torch's gradients, for each instruction set of this CPU."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from compile.kernels import build
from compile.kernels.build import SOURCES, compiler_from_target, kernel_from_sources
from compile.kernels.native import ISAS, NativeKernel
from compile.kernels.reference import selective_scan_2d_ref
from compile.kernels.torch_native import NativeScan
from compile.kernels.torch_scan import selective_scan_2d
from edge.cpu import load_cpu
from edge.errors import DeviceError, UsageError

MACHINE = load_cpu().machine
TOLERANCES = {"forward": (2e-5, 2e-5), "backward": (1e-4, 1e-4)}  # float32: (relative, of the largest value)
ALL = (0, 1, 2, 3)
CASES = [  # batch, height, width, D, R, N, routes
    *((2, *size, 17, 3, 1, ALL) for size in ((1, 1), (1, 7), (5, 1), (2, 3), (7, 5), (14, 14))),
    *((1, 4, 5, 16, 2, 1, routes) for routes in ((0,), (1,), (2,), (3,), (0, 2), (1, 3), (2, 1, 0), (1, 1, 3, 0, 2))),
    *((1, 5, 4, 33, rank, 1, (0, 3)) for rank in (1, 2, 4, 6, 7, 15, 48)),
    *((2, 3, 6, 19, 2, states, ALL) for states in (2, 3, 16)),
    *((batch, 3, 3, 8, 1, 1, (1, 2)) for batch in (1, 3, 8)),
    (1, 112, 112, 5, 2, 1, (0, 3)),
]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> NativeKernel:
    """The library, built here."""
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("no C++ compiler")
    return NativeKernel(kernel_from_sources(MACHINE, tmp_path_factory.mktemp("native")).path)


@pytest.fixture(params=[name for name in ISAS if (name == "neon") == (MACHINE == "aarch64")])
def scan(kernel: NativeKernel, request: pytest.FixtureRequest) -> NativeScan:
    """The kernel with one instruction set."""
    if request.param not in kernel.isas:
        pytest.skip(f"this CPU lacks {request.param}")
    return NativeScan(kernel, threads=2, isa=ISAS[request.param])


def operands(batch: int, height: int, width: int, d: int, r: int, n: int, routes: Sequence[int]) -> list[Tensor]:
    """u, x_dbl, dt_weight, dt_bias, A, D in float32, channels last."""
    k = len(routes)
    shapes = [(batch, height, width, d), (batch, height, width, k * (r + 2 * n)), (k, d, r), (k, d), (k, d, n), (k, d)]
    generator = torch.Generator().manual_seed(height * 100 + r)
    tensors = [torch.randn(shape, generator=generator) for shape in shapes]
    tensors[4] = -tensors[4].exp()
    return tensors


def check(got: Tensor, expected: np.ndarray, tolerance: str = "forward") -> None:
    relative, absolute = TOLERANCES[tolerance]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.double().numpy(), expected, relative, absolute * max(1.0, np.abs(expected).max()))


def reference(tensors: Sequence[Tensor], routes: Sequence[int], layout: str = "last") -> np.ndarray:
    return selective_scan_2d_ref(*(tensor.numpy() for tensor in tensors), routes, layout)


def gradients(tensors: Sequence[Tensor], routes: Sequence[int], layout: str, upstream: Tensor) -> list[np.ndarray]:
    inputs = [tensor.double().requires_grad_() for tensor in tensors]
    selective_scan_2d(*inputs, list(routes), layout).backward(upstream.double())
    return [tensor.grad.numpy() for tensor in inputs if tensor.grad is not None]


def channels_first(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [*(tensor.permute(0, 3, 1, 2).contiguous() for tensor in tensors[:2]), *tensors[2:]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_is_the_reference(scan: NativeScan, case: tuple[int, int, int, int, int, int, Sequence[int]]) -> None:
    tensors = operands(*case)
    check(scan.forward(*tensors, case[-1], "last"), reference(tensors, case[-1]))


@pytest.mark.parametrize("states", [1, 3])
def test_channels_first_is_the_reference(scan: NativeScan, states: int) -> None:
    tensors = channels_first(operands(2, 5, 4, 21, 3, states, ALL))
    check(scan.forward(*tensors, ALL, "first"), reference(tensors, ALL, "first"))


@pytest.mark.parametrize("case", [c for c in CASES if c[1] < 100], ids=str)
def test_gradients_are_those_of_autograd(
    scan: NativeScan, case: tuple[int, int, int, int, int, int, Sequence[int]]
) -> None:
    tensors, routes = operands(*case), case[-1]
    upstream = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))
    expected = gradients(tensors, routes, "last", upstream)
    for got, wanted in zip(scan.backward(upstream, *tensors, routes, "last"), expected, strict=True):
        check(got, wanted, "backward")


def test_gradients_of_channels_first_are_those_of_autograd(scan: NativeScan) -> None:
    tensors = channels_first(operands(3, 4, 5, 18, 5, 2, ALL))
    upstream = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))
    expected = gradients(tensors, ALL, "first", upstream)
    for got, wanted in zip(scan.backward(upstream, *tensors, ALL, "first"), expected, strict=True):
        check(got, wanted, "backward")


@pytest.mark.parametrize("dt_bias", [-200.0, -60.0, -20.0, 20.0, 500.0, 1e4])
def test_extreme_time_steps(scan: NativeScan, dt_bias: float) -> None:
    tensors = operands(1, 6, 5, 20, 2, 1, ALL)
    tensors[3] += dt_bias
    check(scan.forward(*tensors, ALL, "last"), reference(tensors, ALL))


def test_long_memory_over_a_long_route(scan: NativeScan) -> None:
    tensors = operands(1, 56, 57, 16, 2, 1, (0, 3))
    tensors[3] -= 6.0
    check(scan.forward(*tensors, (0, 3), "last"), reference(tensors, (0, 3)))


@pytest.mark.parametrize("index", range(6))
def test_nan_comes_out_as_nan(scan: NativeScan, index: int) -> None:
    tensors = operands(1, 3, 3, 16, 2, 1, (0,))
    tensors[index].view(-1)[0] = float("nan")
    assert scan.forward(*tensors, (0,), "last")[..., 0].isnan().any()


def test_one_image_does_not_depend_on_the_others(scan: NativeScan) -> None:
    u, x_dbl, *weights = operands(4, 6, 5, 24, 3, 1, ALL)
    together = scan.forward(u, x_dbl, *weights, ALL, "last")
    assert torch.equal(together[2:3], scan.forward(u[2:3], x_dbl[2:3], *weights, ALL, "last"))


def test_gradients_repeat_bit_by_bit(scan: NativeScan) -> None:
    tensors = operands(5, 6, 5, 24, 3, 1, ALL)
    first, second = (scan.backward(tensors[0], *tensors, ALL, "last") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_concurrent_calls_do_not_disturb_one_another(scan: NativeScan) -> None:
    sets = [operands(2, 20 + i, 20, 33, 3, 2, ALL) for i in range(4)]

    def run(tensors: Sequence[Tensor]) -> Tensor:
        return scan.forward(*tensors, ALL, "last")

    alone = [run(tensors) for tensors in sets]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            assert all(torch.equal(a, b) for a, b in zip(alone, pool.map(run, sets), strict=True))


def test_an_empty_batch_has_an_empty_answer(scan: NativeScan) -> None:
    tensors = operands(0, 3, 3, 4, 1, 1, ALL)
    assert scan.forward(*tensors, ALL, "last").shape == (0, 3, 3, 4)
    assert not any(tensor.any() for tensor in scan.backward(tensors[0], *tensors, ALL, "last"))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda p: setattr(p, "abi", 1), DeviceError, "different versions"),
        (lambda p: setattr(p, "u_dtype", 3), DeviceError, "dtype"),
        (lambda p: setattr(p, "isa", 9), DeviceError, "instruction set"),
        (lambda p: setattr(p, "height", 0), UsageError, "size"),
        (lambda p: setattr(p, "batch", 2**31 - 1), UsageError, "size"),
        (lambda p: p.routes.__setitem__(0, 4), UsageError, "route"),
        (lambda p: setattr(p, "u", None), UsageError, "pointer"),
    ],
)
def test_wrong_arguments_are_refused(
    kernel: NativeKernel, change: Callable[[object], None], error: type[Exception], match: str
) -> None:
    scan = NativeScan(kernel, threads=1)
    tensors = operands(1, 5, 5, 32, 2, 1, (0,))
    params = scan.params(tensors, (0,), "last")
    params.y, params.y_strides = tensors[0].data_ptr(), params.u_strides
    change(params)
    with pytest.raises(error, match=match):
        kernel.bytes_from_params(params)
        kernel.forward(params, tensors[2].data_ptr(), 0, 0, 1)


def test_too_small_a_workspace_is_refused(kernel: NativeKernel) -> None:
    tensors = operands(1, 2, 2, 4, 1, 2, (0,))
    params = NativeScan(kernel, threads=1).params(tensors, (0,), "last")
    with pytest.raises(UsageError, match="workspace"):
        kernel.forward(params, tensors[2].data_ptr(), tensors[0].data_ptr(), 4, 1)


def test_other_types_are_refused(kernel: NativeKernel) -> None:
    tensors = [tensor.double() for tensor in operands(1, 2, 2, 4, 1, 1, (0,))]
    with pytest.raises(UsageError, match="float32"):
        NativeScan(kernel, threads=1).forward(*tensors, (0,), "last")


def test_missing_compiler_is_one_line_of_cause_and_one_of_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no C\+\+ compiler.*apt install") as caught:
        kernel_from_sources(MACHINE, tmp_path, compiler="no-such-compiler")
    assert "\n" not in str(caught.value)


def test_unknown_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="riscv"):
        kernel_from_sources("riscv", tmp_path)


def test_the_same_sources_are_compiled_once(kernel: NativeKernel, tmp_path: Path) -> None:
    first = kernel_from_sources(MACHINE, tmp_path)
    written = first.path.stat().st_mtime_ns
    assert kernel_from_sources(MACHINE, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written


DRIVER = r"""
#include <stdlib.h>
#include "selective_scan.h"
/* Exactly sized heap blocks: a sanitizer sees any step beyond them. */
static float *floats(size_t n) {
  float *p = malloc(n * sizeof *p);
  for (size_t i = 0; i < n; ++i) p[i] = (float)(i % 17) / 17.0f - 0.5f;
  return p;
}
int main(void) {
  const int32_t routes[4] = {0, 1, 2, 3}, d = 19, r = 5, n = NSTATES, h = 5, w = 7, b = 2, c = 4 * (r + 2 * n);
  const size_t map = b * h * w * d, xs = b * h * w * c;
  int32_t threads = 2;
  const ss2d_parallel parallel = {ss2d_run_on_threads, &threads};
  for (int isa = SS2D_ISA_X86_64_V2; isa <= SS2D_ISA_NEON; ++isa) {
    ss2d_params p = {SS2D_ABI, isa, 0, 0, 0, 0, 1, 1, 1, b, h, w, d, n, r, 4, routes, floats(map), floats(xs), floats(map),
                     {h * w * d, d, 1}, {h * w * c, c, 1}, {h * w * d, d, 1},
                     floats(4 * d * r), floats(4 * d), floats(4 * d * n), floats(4 * d)};
    ss2d_gradients g = {floats(map), floats(map), floats(xs), p.u_strides, p.u_strides, p.x_dbl_strides,
                        floats(4 * d * r), floats(4 * d), floats(4 * d * n), floats(4 * d)};
    ss2d_bytes bytes;
    if (ss2d_bytes_from_params(&p, 2, &bytes) == SS2D_UNSUPPORTED_ISA) continue;
    void *packed = malloc(bytes.packed), *forward = malloc(bytes.forward), *backward = malloc(bytes.backward);
    if (ss2d_pack(&p, packed) || ss2d_forward(&p, packed, forward, bytes.forward, &parallel) ||
        ss2d_backward(&p, packed, &g, 2, backward, bytes.backward, &parallel)) return 1;
  }
  return 0;
}
"""


@pytest.mark.parametrize("states", [1, 3])
def test_sanitizers_find_nothing_in_a_c_program(kernel: NativeKernel, tmp_path: Path, states: int) -> None:
    compiler, flags = (
        compiler_from_target(MACHINE),
        ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"],
    )
    strict = ["-Wall", "-Wextra", "-Werror", *flags]
    (tmp_path / "driver.c").write_text(DRIVER)
    objects = []
    units = [(name, SOURCES / "cpu" / f"{name}.cpp", ["-std=c++17"]) for name in ("dispatch", "threads")]
    for name, flag in build.ISAS[MACHINE].items():
        units.append((name, SOURCES / "cpu" / "isa.cpp", ["-std=c++17", f"-DSS2D_KERNEL={name}", flag]))
    units.append(("driver", tmp_path / "driver.c", ["-x", "c", "-std=c99", "-pedantic", f"-DNSTATES={states}"]))
    for name, source, extra in units:
        objects.append(str(tmp_path / f"{name}.o"))
        command = [compiler, *strict, *extra, "-I", str(SOURCES), "-c", str(source), "-o", objects[-1]]
        subprocess.run(command, check=True)
    program = tmp_path / "driver"
    subprocess.run([compiler, *flags, "-pthread", *objects, "-o", str(program)], check=True)
    environment = {"ASAN_OPTIONS": "detect_leaks=0"}  # the driver frees nothing
    subprocess.run([str(program)], check=True, env=environment)
