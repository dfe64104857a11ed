"""The torch operator on the native kernel: where it is used, that it is right there, and that it trains the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from calibration.artifact import Artifact
from compile.kernels.native import NativeKernel
from compile.kernels.torch_native import NativeScan, native_scan
from compile.kernels.torch_scan import selective_scan_2d, use_native
from compile.model.vmamba import VMamba, VMambaShape
from tests.compile.scan_cases import ALL, channels_first, check, gradients, operands, reference

TINY = VMambaShape((16, 32), (1, 1), ssm_ratio=1.0)
HALVES = {torch.float16: 4e-3, torch.bfloat16: 3e-2}  # of the largest value: a few steps of the type


@dataclass(frozen=True)
class Counted(NativeScan):
    """Notes each use."""

    uses: list[str] = field(default_factory=list)

    def forward(self, *arguments: Any) -> Tensor:
        self.uses.append("forward")
        return super().forward(*arguments)

    def backward(self, *arguments: Any) -> tuple[Tensor, ...]:
        self.uses.append("backward")
        return super().backward(*arguments)


@pytest.fixture
def counted(kernel: NativeKernel) -> Counted:
    """The native kernel, one thread."""
    return Counted(kernel, 1)


def leaves(tensors: list[Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The same operands for autograd; u and x_dbl of a type."""
    copies = [tensor.clone() for tensor in tensors]
    return [tensor.to(dtype if i < 2 else tensor.dtype).requires_grad_() for i, tensor in enumerate(copies)]


@pytest.mark.parametrize("layout", ["last", "first"])
def test_the_operator_and_its_gradients_are_native_and_right(counted: Counted, layout: str) -> None:
    tensors = operands(2, 5, 4, 21, 3, 2, ALL)
    if layout == "first":
        tensors = channels_first(tensors)
    inputs, upstream = leaves(tensors), torch.randn(tensors[0].shape)
    with use_native(counted):
        y = selective_scan_2d(*inputs, list(ALL), layout)
        y.backward(upstream)
    check(y.detach(), reference(tensors, ALL, layout))
    for mine, wanted in zip(inputs, gradients(tensors, ALL, layout, upstream), strict=True):
        assert mine.grad is not None
        check(mine.grad, wanted, "gradient")
    assert counted.uses == ["forward", "backward"]


@pytest.mark.parametrize("dtype", HALVES)
def test_16_bit_maps_are_computed_in_float32_and_keep_their_type(counted: Counted, dtype: torch.dtype) -> None:
    ours, torchs = (leaves(operands(1, 6, 5, 32, 2, 1, ALL), dtype) for _ in range(2))
    with use_native(counted):
        y = selective_scan_2d(*ours, list(ALL), "last")
        y.float().square().mean().backward()
    expected = selective_scan_2d(*torchs, list(ALL), "last")
    expected.float().square().mean().backward()
    for mine, wanted in ((y, expected), *((a.grad, b.grad) for a, b in zip(ours, torchs, strict=True))):
        assert mine is not None and wanted is not None and mine.dtype == wanted.dtype
        torch.testing.assert_close(mine, wanted, rtol=0, atol=HALVES[dtype] * float(wanted.detach().abs().max()))
    assert counted.uses == ["forward", "backward"]


def test_the_torch_form_is_the_default(counted: Counted) -> None:
    tensors = operands(1, 3, 3, 16, 2, 1, ALL)
    with use_native(counted), use_native(None):
        selective_scan_2d(*tensors, list(ALL), "last")
    selective_scan_2d(*tensors, list(ALL), "last")
    assert counted.uses == []


def test_another_thread_chooses_for_itself(counted: Counted) -> None:
    tensors = operands(1, 3, 3, 16, 2, 1, ALL)
    with use_native(counted):
        thread = threading.Thread(target=selective_scan_2d, args=(*tensors, list(ALL), "last"))
        thread.start()
        thread.join()
    assert counted.uses == []


def test_float64_takes_the_torch_form_and_its_gradients_are_the_numerical_ones(counted: Counted) -> None:
    inputs = [tensor.double().requires_grad_() for tensor in operands(1, 2, 3, 2, 1, 1, ALL)]
    with use_native(counted):
        assert torch.autograd.gradcheck(lambda *t: selective_scan_2d(*t, list(ALL), "last"), inputs)
    assert counted.uses == []


def test_the_operator_stays_as_torch_demands(counted: Counted) -> None:
    demands = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    with use_native(counted):
        torch.library.opcheck(
            selective_scan_2d,
            (*leaves(operands(1, 3, 4, 16, 2, 1, ALL)), list(ALL), "last"),
            test_utils=demands,
            rtol=1e-4,
            atol=1e-4,
        )


def test_a_compiled_model_uses_it_forward(counted: Counted) -> None:
    def loss(*tensors: Tensor) -> Tensor:
        return selective_scan_2d(*tensors, list(ALL), "last").square().sum()

    inputs, plain = (leaves(operands(1, 4, 3, 16, 2, 1, ALL)) for _ in range(2))
    loss(*plain).backward()
    with use_native(counted):
        torch.compile(loss, backend="aot_eager", fullgraph=True)(*inputs).backward()
    assert "forward" in counted.uses
    for mine, wanted in zip(inputs, plain, strict=True):
        torch.testing.assert_close(mine.grad, wanted.grad, rtol=1e-3, atol=1e-4)


def losses(scan: NativeScan | None, precision: Callable[[], Any]) -> list[float]:
    """Of two training steps of a tiny VMamba, and the one after them."""
    torch.manual_seed(0)
    model = VMamba(TINY, classes=3, in_channels=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    x, y, found = torch.randn(2, 1, 32, 32), torch.tensor([0, 2]), []
    for _ in range(3):
        with use_native(scan):
            with precision():
                logits, _ = model(x)
            loss = functional.cross_entropy(logits.float(), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize(("autocast", "tolerance"), [(False, 1e-4), (True, 3e-2)])
def test_both_forms_train_alike(counted: Counted, autocast: bool, tolerance: float) -> None:
    def precision() -> Any:
        return torch.autocast("cpu", torch.bfloat16, enabled=autocast)

    assert losses(counted, precision) == pytest.approx(losses(None, precision), rel=tolerance)
    assert counted.uses.count("backward") == 3 * sum(TINY.depths)


def test_without_a_compiler_there_is_no_native_scan_but_a_reason(tmp_path: Path) -> None:
    told = []
    assert native_scan(tmp_path, "no-such-compiler", lambda reason, _: told.append(reason)) is None
    assert len(told) == 1
    assert "compiler" in told[0]


def test_the_native_scan_of_this_machine_uses_torchs_threads(library: Artifact) -> None:
    scan = native_scan(library.path.parent)
    assert scan is not None
    assert scan.threads is None
    tensors = operands(1, 3, 3, 16, 2, 1, ALL)
    check(scan.forward(*tensors, ALL, "last"), reference(tensors, ALL))
