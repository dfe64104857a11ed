"""A training step of VMamba-T with our forward and backward pass, beside the torch form, plain and compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from compile.kernels import torch_scan
from compile.kernels.native_cuda import CudaKernel
from compile.kernels.torch_cuda import CudaScan
from tests.gpu.bench import eager_microseconds

BATCH, SIZE_PX, CLASSES = 32, 224, 21
ROUNDS = 5


def training_row(kernel: CudaKernel, compiled: bool) -> dict[str, Any]:
    """Milliseconds a step, float32: ours, and the torch form (through torch.compile if `compiled`)."""
    ours, ours_loss = _step_ms(CudaScan(kernel), False)
    theirs, their_loss = _step_ms(None, compiled)
    row = {"what": f"vmamba_t step, batch {BATCH}", "against": "torch.compile" if compiled else "torch eager"}
    return row | {"ours_ms": ours, "theirs_ms": theirs, "ratio": theirs / ours, "loss": abs(ours_loss - their_loss)}


def _step_ms(scan: CudaScan | None, compiled: bool) -> tuple[float, float]:
    """Time of a step, and the loss after the same few steps."""
    from compile.model import ss2d
    from compile.model.vmamba import vmamba_from_name

    torch.manual_seed(0)
    model: nn.Module = vmamba_from_name("vmamba_t", CLASSES, drop_path=0.0).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    images = torch.randn(BATCH, 3, SIZE_PX, SIZE_PX, device="cuda")
    labels = torch.arange(BATCH, device="cuda") % CLASSES
    operator = ss2d.selective_scan_2d
    if compiled:  # torch.compile sees nothing of a registered operator: give it the body
        ss2d.selective_scan_2d = torch_scan._selective_scan  # type: ignore[assignment]
        model = torch.compile(model)  # type: ignore[assignment]

    def step() -> torch.Tensor:
        with torch_scan.use_native(scan):  # type: ignore[arg-type]
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(images)[0], labels)
            loss.backward()
            optimizer.step()
        return loss

    try:
        losses: list[torch.Tensor] = []
        time_ms = eager_microseconds(lambda: losses.append(step().detach()), ROUNDS) / 1e3
    finally:
        ss2d.selective_scan_2d = operator
    return time_ms, float(losses[-1])
