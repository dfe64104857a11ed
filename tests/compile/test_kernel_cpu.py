"""The native forward pass on the CPU against the float64 reference, for each type and instruction set of this CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from compile.kernels.native import DTYPES, NativeKernel, Params
from compile.kernels.torch_native import NativeScan
from edge.errors import DeviceError, UsageError
from tests.compile.scan_call import Memory, Scan, forward, scan_from_case, scan_from_operands
from tests.compile.scan_cases import ALL, CASES, MIXES, Case, check, operands

FLOATS = ("float32",) * 3
scan_of = cache(scan_from_case)  # the reference is slow, and the same for every instruction set


@dataclass(frozen=True)
class Usable:
    """Arguments that are accepted, and the memory that they point to, large enough for every type."""

    params: Params
    packed: Memory
    tensors: list[torch.Tensor]


def usable(kernel: NativeKernel, dtype: str, states: int = 1) -> Usable:
    tensors = operands(1, 5, 5, 32, 2, states, (0,))
    params = NativeScan(kernel, threads=1).params(tensors, (0,), "last")
    tensors.append(torch.empty_like(tensors[0]))
    params.y, params.y_strides = tensors[-1].data_ptr(), params.u_strides
    params.u_dtype = params.x_dbl_dtype = params.y_dtype = DTYPES[dtype]
    params.u_scale = params.x_dbl_scale = params.y_scale = 1.0
    packed = Memory(kernel.bytes_from_params(params).packed)
    kernel.pack(params, packed.address)
    return Usable(params, packed, tensors)


def check_forward(kernel: NativeKernel, isa: int, scan: Scan, layout: str = "last", aligned: bool = True) -> None:
    y = forward(kernel, isa, scan, layout, aligned=aligned)
    check(y, scan.expected, scan.y_dtype, scan.scales[2])


@pytest.mark.parametrize("dtypes", MIXES, ids="-".join)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_is_the_reference(kernel: NativeKernel, isa: int, case: Case, dtypes: Sequence[str]) -> None:
    check_forward(kernel, isa, scan_of(case, dtypes))


@pytest.mark.parametrize("dtypes", list(product(DTYPES, repeat=3)), ids="-".join)
@pytest.mark.parametrize("states", [1, 3])
def test_every_mix_of_types_layouts_and_alignments(
    kernel: NativeKernel, isa: int, states: int, dtypes: Sequence[str]
) -> None:
    scan = scan_of((2, 5, 7, 37, 3, states, ALL), dtypes)
    for layout, aligned in product(("last", "first"), (True, False)):
        check_forward(kernel, isa, scan, layout, aligned)


@pytest.mark.parametrize("dtypes", [FLOATS, ("int8", "int8", "float32")], ids="-".join)
def test_more_blocks_than_shares(kernel: NativeKernel, isa: int, dtypes: Sequence[str]) -> None:
    for layout in ("last", "first"):
        check_forward(kernel, isa, scan_of((9, 2, 3, 143, 2, 2, (0, 3)), dtypes), layout)


@pytest.mark.parametrize("dtypes", MIXES, ids="-".join)
@pytest.mark.parametrize("dt_bias", [-200.0, -60.0, -20.0, 20.0, 500.0, 1e4])
def test_extreme_biases(kernel: NativeKernel, isa: int, dt_bias: float, dtypes: Sequence[str]) -> None:
    tensors = operands(1, 6, 5, 20, 2, 1, ALL)
    tensors[3] += dt_bias
    tensors[0] /= max(1.0, dt_bias / 100)  # y stays within float16
    check_forward(kernel, isa, scan_from_operands(tensors, ALL, dtypes))


@pytest.mark.parametrize("dtypes", MIXES, ids="-".join)
def test_extreme_time_steps(kernel: NativeKernel, isa: int, dtypes: Sequence[str]) -> None:
    tensors = operands(1, 6, 5, 20, 1, 1, ALL)
    steps = tensors[1].view(1, 30, 4, 3)[..., 0]
    steps[:] = 1e4 * steps.sign()
    tensors[0] /= 100
    check_forward(kernel, isa, scan_from_operands(tensors, ALL, dtypes))


def test_long_memory_over_a_long_route(kernel: NativeKernel, isa: int) -> None:
    tensors = operands(1, 56, 57, 16, 2, 1, (0, 3))
    tensors[3] -= 6.0
    check_forward(kernel, isa, scan_from_operands(tensors, (0, 3), FLOATS))


@pytest.mark.parametrize("index", range(6))
def test_nan_comes_out_as_nan(scan: NativeScan, index: int) -> None:
    tensors = operands(1, 3, 3, 16, 2, 1, (0,))
    tensors[index].view(-1)[0] = float("nan")
    assert scan.forward(*tensors, (0,), "last")[..., 0].isnan().any()


@pytest.mark.parametrize("dtypes", MIXES, ids="-".join)
def test_one_image_does_not_depend_on_the_others(kernel: NativeKernel, isa: int, dtypes: Sequence[str]) -> None:
    together = scan_of((4, 6, 5, 24, 3, 1, ALL), dtypes)
    u, x_dbl, *weights = together.tensors
    alone = Scan((u[2:3], x_dbl[2:3], *weights), together.scales, ALL, dtypes[2], together.expected[2:3])
    np.testing.assert_array_equal(forward(kernel, isa, together)[2:3], forward(kernel, isa, alone))


def test_torch_form_takes_channels_first(scan: NativeScan) -> None:
    case = scan_of((2, 5, 4, 21, 3, 3, ALL))
    u, x_dbl, *weights = case.tensors
    first = [tensor.permute(0, 3, 1, 2) for tensor in (u, x_dbl)]
    check(scan.forward(*first, *weights, ALL, "first").permute(0, 2, 3, 1), case.expected)


def test_concurrent_calls_do_not_disturb_one_another(kernel: NativeKernel, isa: int) -> None:
    scans = [scan_of((2, 20 + i, 20, 33, 3, 2, ALL), MIXES[i]) for i in range(4)]
    alone = [forward(kernel, isa, scan) for scan in scans]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for one, other in zip(alone, pool.map(lambda scan: forward(kernel, isa, scan), scans), strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtypes", MIXES, ids="-".join)
def test_an_empty_batch_has_an_empty_answer(kernel: NativeKernel, isa: int, dtypes: Sequence[str]) -> None:
    scan = scan_of((0, 3, 3, 4, 1, 1, ALL), dtypes)
    for layout in ("last", "first"):
        assert forward(kernel, isa, scan, layout).shape == (0, 3, 3, 4)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda p: setattr(p, "abi", 1), DeviceError, "different versions"),
        *((lambda p, n=n: setattr(p, f"{n}_dtype", 3), DeviceError, "dtype") for n in ("u", "x_dbl", "y")),
        (lambda p: setattr(p, "isa", 9), DeviceError, "instruction set"),
        (lambda p: setattr(p, "height", 0), UsageError, "size"),
        (lambda p: setattr(p, "batch", 2**31 - 1), UsageError, "size"),
        (lambda p: p.routes.__setitem__(0, 4), UsageError, "route"),
        (lambda p: setattr(p, "u", None), UsageError, "pointer"),
        (lambda p: setattr(p, "y", None), UsageError, "pointer"),
    ],
)
def test_wrong_arguments_are_refused(
    kernel: NativeKernel, change: Callable[[Params], None], error: type[Exception], match: str
) -> None:
    call = usable(kernel, "float32")
    change(call.params)
    with pytest.raises(error, match=match):
        kernel.forward(call.params, call.packed.address, 0, 0, 1)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["u", "x_dbl", "y"])
def test_a_wrong_scale_is_refused_where_it_is_read(kernel: NativeKernel, name: str, scale: float) -> None:
    for dtype in ("float16", "int8"):
        call = usable(kernel, dtype)
        setattr(call.params, f"{name}_scale", scale)
        workspace = Memory(kernel.bytes_from_params(call.params).forward)
        arguments = (call.params, call.packed.address, workspace.address, len(workspace.bytes), 1)
        if dtype == "float16":
            kernel.forward(*arguments)
        else:
            with pytest.raises(UsageError, match="scale"):
                kernel.forward(*arguments)


@pytest.mark.parametrize("dtype", DTYPES)
def test_too_small_a_workspace_is_refused(kernel: NativeKernel, dtype: str) -> None:
    call = usable(kernel, dtype, states=2)
    workspace = Memory(kernel.bytes_from_params(call.params).forward)
    with pytest.raises(UsageError, match="workspace"):
        kernel.forward(call.params, call.packed.address, workspace.address, len(workspace.bytes) - 1, 1)


def test_whole_registers_of_float32_need_no_workspace(kernel: NativeKernel) -> None:
    assert kernel.bytes_from_params(usable(kernel, "float32").params).forward == 0


def test_other_types_are_refused(kernel: NativeKernel) -> None:
    tensors = [tensor.double() for tensor in operands(1, 2, 2, 4, 1, 1, (0,))]
    with pytest.raises(UsageError, match="float32"):
        NativeScan(kernel, threads=1).forward(*tensors, (0,), "last")
