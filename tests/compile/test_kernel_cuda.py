"""The CUDA kernels' arithmetic on the CPU: the very sources with a shim as their GPU, against the float64 reference."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from compile.kernels.native import Params
from edge.errors import DeviceError, UsageError
from tests.compile.cuda_call import H200, ORIN, Device, Operands, ShimKernel, backward, forward
from tests.compile.scan_call import Scan, scan_from_case, scan_from_operands
from tests.compile.scan_cases import ALL, CASES, SMALL, Case, check, gradients, operands
from tests.conftest import absent

TYPES = [("float32",) * 3, ("float16",) * 3, ("int8", "int8", "float16"), ("int8",) * 3]
WHOLE: list[
    Case
] = [  # pairs of channels and of R: the tensor cores' kernels; more than one step, tile and channel tile
    (2, 7, 5, 34, 6, 1, ALL),
    (1, 14, 14, 48, 24, 1, ALL),
    (1, 5, 4, 32, 48, 1, (0, 3)),
    (1, 3, 4, 16, 130, 1, (2, 1)),
    (1, 40, 33, 16, 2, 1, ALL),
]
BACKWARDS = Device(132, 227 * 1024, backwards=True)
LITTLE = Device(8, 20 * 1024)  # no strip of a larger map fits into its shared memory


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> ShimKernel:
    """The kernels on the shim."""
    if not shutil.which("g++"):
        absent("no g++")
    return ShimKernel(tmp_path_factory.mktemp("shim"))


def check_scan(kernel: ShimKernel, scan: Scan, **options: object) -> None:
    got = forward(kernel, scan, **options)  # type: ignore[arg-type]
    check(got, scan.expected, scan.y_dtype, scan.scales[2])


@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize("device", [ORIN, BACKWARDS], ids=["threads in order", "threads against it"])
def test_forward_is_the_reference(kernel: ShimKernel, device: Device, types: Sequence[str]) -> None:
    kernel.pretend(device)
    cases = SMALL[::2] if device.backwards else SMALL if "int8" in types else CASES
    for case in [*cases, *WHOLE]:
        check_scan(kernel, scan_from_case(case, types))


@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize("case", [WHOLE[0], (2, 11, 13, 33, 3, 2, (0, 3))], ids=["pairs", "singles"])
def test_every_tactic_is_the_reference(kernel: ShimKernel, case: Case, types: Sequence[str]) -> None:
    scan = scan_from_case(case, types)
    for device in (H200, LITTLE):
        kernel.pretend(device)
        for tactic in range(1, kernel.tactics + 1):
            check_scan(kernel, scan, tactic=tactic)


@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_layout_and_alignment_do_not_matter(kernel: ShimKernel, types: Sequence[str]) -> None:
    kernel.pretend(ORIN)
    for case in (WHOLE[0], (2, 5, 4, 21, 3, 3, ALL)):
        scan = scan_from_case(case, types)
        check_scan(kernel, scan, layout="first")
        check_scan(kernel, scan, aligned=False)
        check_scan(kernel, scan, layout="first", aligned=False)


@pytest.mark.parametrize("types", TYPES[:3], ids="-".join)
@pytest.mark.parametrize("dt_bias", [-200.0, -20.0, 20.0, 1e3])
def test_extreme_time_steps(kernel: ShimKernel, dt_bias: float, types: Sequence[str]) -> None:
    kernel.pretend(ORIN)
    tensors = operands(1, 6, 5, 20, 2, 1, ALL)
    tensors[3] += dt_bias
    check_scan(kernel, scan_from_operands(tensors, ALL, types))


@pytest.mark.parametrize("types", TYPES[:3], ids="-".join)
def test_long_memory_over_a_long_route(kernel: ShimKernel, types: Sequence[str]) -> None:
    kernel.pretend(ORIN)
    tensors = operands(1, 56, 57, 16, 2, 1, (0, 3))
    tensors[3] -= 6.0
    check_scan(kernel, scan_from_operands(tensors, (0, 3), types))


def test_large_weights_are_not_cut_before_float16_ends(kernel: ShimKernel) -> None:
    kernel.pretend(ORIN)
    tensors = operands(1, 3, 4, 16, 2, 1, (0,))
    tensors[2] *= 2e4
    tensors[1] *= 1e-3
    check_scan(kernel, scan_from_operands(tensors, (0,), TYPES[1]))


@pytest.mark.parametrize("types", TYPES[:2], ids="-".join)
@pytest.mark.parametrize("index", range(6))
def test_nan_comes_out_as_nan(kernel: ShimKernel, index: int, types: Sequence[str]) -> None:
    kernel.pretend(ORIN)
    tensors = operands(1, 3, 3, 16, 2, 1, (0,))
    tensors[index].view(-1)[0] = float("nan")
    with np.errstate(invalid="ignore"):  # the reference's own
        scan = scan_from_operands(tensors, (0,), types)
    assert np.isnan(forward(kernel, scan)[..., 0]).any()


def test_one_image_does_not_depend_on_the_others(kernel: ShimKernel) -> None:
    kernel.pretend(ORIN)
    u, x_dbl, *weights = operands(4, 6, 5, 24, 4, 1, ALL)
    together = forward(kernel, scan_from_operands([u, x_dbl, *weights], ALL, TYPES[1]), tactic=1)
    alone = forward(kernel, scan_from_operands([u[2:3], x_dbl[2:3], *weights], ALL, TYPES[1]), tactic=1)
    assert np.array_equal(together[2:3], alone)


@pytest.mark.parametrize("device", [ORIN, BACKWARDS], ids=["threads in order", "threads against it"])
@pytest.mark.parametrize("layout", ["last", "first"])
def test_gradients_are_those_of_autograd(kernel: ShimKernel, device: Device, layout: str) -> None:
    kernel.pretend(device)
    cases: list[Case] = [*SMALL, *WHOLE[:3], (1, 20, 23, 18, 4, 1, (0, 3))]
    for case in cases[:: 1 if layout == "last" and not device.backwards else 3]:
        tensors, routes = operands(*case), case[-1]
        upstream = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))
        expected = gradients(tensors, routes, "last", upstream)
        got = backward(kernel, scan_from_case(case), upstream, layout, aligned=not device.backwards)
        for one, wanted in zip(got, expected, strict=True):
            check(one, wanted, "gradient")


def test_gradients_repeat_bit_by_bit(kernel: ShimKernel) -> None:
    scan, upstream = scan_from_case((5, 6, 5, 24, 3, 1, ALL)), torch.randn(5, 6, 5, 24)
    runs = []
    for device in (ORIN, BACKWARDS):
        kernel.pretend(device)
        runs.append(backward(kernel, scan, upstream))
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_an_empty_batch_has_an_empty_answer(kernel: ShimKernel) -> None:
    kernel.pretend(ORIN)
    scan = scan_from_operands(operands(0, 3, 3, 4, 1, 1, ALL), ALL, TYPES[0])
    assert forward(kernel, scan).shape == (0, 3, 3, 4)
    assert not any(gradient.any() for gradient in backward(kernel, scan, scan.tensors[0]))


def test_sizes_can_be_asked_for_without_a_gpu(kernel: ShimKernel) -> None:
    kernel.pretend(Device(0, 0))
    params = Operands(scan_from_case(CASES[0])).params
    assert kernel.bytes_from_params(params).packed == 0
    assert kernel.bytes_from_params(params).backward > 0


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda p: setattr(p, "abi", 1), DeviceError, "different versions"),
        (lambda p: setattr(p, "u_dtype", 1), DeviceError, "dtype"),
        (lambda p: setattr(p, "y_dtype", 2), DeviceError, "dtype"),
        (lambda p: setattr(p, "tactic", 99), UsageError, "tactic"),
        (lambda p: setattr(p, "tactic", -1), UsageError, "tactic"),
        (lambda p: setattr(p, "height", 0), UsageError, "size"),
        (lambda p: setattr(p, "batch", 2**31 - 1), UsageError, "size"),
        (lambda p: setattr(p, "d_state", 513), UsageError, "size"),
        (lambda p: setattr(p.u_strides, "pixel", 2**40), UsageError, "size"),
        (lambda p: p.routes.__setitem__(0, 4), UsageError, "route"),
        (lambda p: setattr(p, "u", None), UsageError, "pointer"),
        (lambda p: setattr(p, "A", None), UsageError, "pointer"),
    ],
)
def test_wrong_arguments_are_refused(
    kernel: ShimKernel, change: Callable[[Params], None], error: type[Exception], match: str
) -> None:
    kernel.pretend(ORIN)
    operands_ = Operands(scan_from_case((1, 5, 5, 32, 2, 1, (0,))))
    change(operands_.params)
    with pytest.raises(error, match=match):
        kernel.forward(operands_.params, operands_.workspace(1 << 16), 1 << 16, 0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["u_scale", "x_dbl_scale", "y_scale"])
def test_a_scale_must_be_positive_and_finite(kernel: ShimKernel, name: str, scale: float) -> None:
    kernel.pretend(ORIN)
    operands_ = Operands(scan_from_case((1, 3, 3, 16, 2, 1, (0,)), TYPES[3]))
    setattr(operands_.params, name, scale)
    with pytest.raises(UsageError, match="scale"):
        kernel.forward(operands_.params, operands_.workspace(1 << 16), 1 << 16, 0)


def test_too_small_a_workspace_is_refused(kernel: ShimKernel) -> None:
    kernel.pretend(ORIN)
    operands_ = Operands(scan_from_case((1, 5, 5, 32, 2, 1, ALL), TYPES[1]))
    operands_.params.tactic = kernel.tactics
    needed = kernel.bytes_from_params(operands_.params).forward
    with pytest.raises(UsageError, match="workspace"):
        kernel.forward(operands_.params, operands_.workspace(needed), needed - 1, 0)
