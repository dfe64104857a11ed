"""Training steps with the native scan and with the torch form, in one run, and the scan's share of a student's step.

A step is forward, cross-entropy, backward and AdamW on random images, in float32, and with bfloat16 products where
`edge train` would use them on this CPU. The forms take turns. One thread: CPU time of the thread, medians; two threads:
wall time, the best of the rounds, for a busy machine gives more of nothing else.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from compile.kernels.torch_native import NativeScan, native_scan
from compile.kernels.torch_scan import use_native
from compile.model.zoo import model_from_name
from compile.training.loop import has_fast_bf16

CLASSES = 8
SIZE_PX = 160
TEACHER, STUDENT = ("vmamba_t", 8), ("edge_n", 32)  # model and batch


@dataclass(frozen=True)
class TimedScan(NativeScan):
    """The native scan with a clock: `spent` holds the seconds of every call."""

    clock: Callable[[], float] = time.perf_counter
    spent: list[float] = field(default_factory=list)

    def forward(self, *arguments: Any) -> Tensor:
        started = self.clock()
        y = super().forward(*arguments)
        self.spent.append(self.clock() - started)
        return y

    def backward(self, *arguments: Any) -> tuple[Tensor, ...]:
        started = self.clock()
        gradients = super().backward(*arguments)
        self.spent.append(self.clock() - started)
        return gradients


def stepper(name: str, batch: int, dtype: torch.dtype) -> Callable[[NativeScan | None], None]:
    """One training step of a model, with a form of the scan; `dtype` of its products."""
    torch.manual_seed(0)
    model = model_from_name(name, CLASSES).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    x = torch.randn(batch, 1, SIZE_PX, SIZE_PX).to(memory_format=torch.channels_last)
    y = torch.randint(CLASSES, (batch,))

    def step(scan: NativeScan | None) -> None:
        with use_native(scan):
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                logits, _ = model(x)
            optimizer.zero_grad()
            functional.cross_entropy(logits.float(), y).backward()
            optimizer.step()

    return step


def measured(small: bool) -> dict[str, Any]:
    """Type and threads -> images/s of both forms, their ratio, and the scan's share of the student's step.

    Args:
        small: one round on one thread, of the type that a training here would choose.
    """
    dtypes = [torch.float32, *([torch.bfloat16] if has_fast_bf16(torch.device("cpu")) else [])]
    dtypes = dtypes[-1:] if small else dtypes
    with tempfile.TemporaryDirectory() as folder:
        scan = native_scan(Path(folder), progress=lambda reason, _: sys.exit(reason))
        assert scan
        return {
            f"{str(dtype).removeprefix('torch.')}_{threads}t": steps(scan, threads, dtype, 1 if small else 5)
            for dtype in dtypes
            for threads in ((1,) if small else (1, 2))
        }


def steps(scan: NativeScan, threads: int, dtype: torch.dtype, rounds: int) -> dict[str, Any]:
    """What one number of threads and one type give."""
    torch.set_num_threads(threads)
    clock, typical = (time.thread_time, median) if threads == 1 else (time.perf_counter, min)
    timed = TimedScan(scan.kernel, clock=clock)
    step = stepper(*TEACHER, dtype)
    native, plain = turns([lambda: step(scan), lambda: step(None)], clock, rounds)
    student = stepper(*STUDENT, dtype)
    whole, scans = [], []
    student(timed)
    for _ in range(rounds):
        timed.spent.clear()
        whole.append(seconds(lambda: student(timed), clock))
        scans.append(sum(timed.spent))
    images = TEACHER[1]
    return {
        "vmamba_t_native_images_s": images / typical(native),
        "vmamba_t_torch_images_s": images / typical(plain),
        "speedup": typical(plain) / typical(native),
        "edge_n_images_s": STUDENT[1] / typical(whole),
        "edge_n_scan_share": median([part / step for part, step in zip(scans, whole, strict=True)]),
    }


def turns(runs: Sequence[Callable[[], None]], clock: Callable[[], float], rounds: int) -> list[list[float]]:
    """Seconds of every run, which take turns after one untimed call each."""
    for run in runs:
        run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for row, run in zip(times, runs, strict=True):
            row.append(seconds(run, clock))
    return times


def seconds(run: Callable[[], None], clock: Callable[[], float]) -> float:
    started = clock()
    run()
    return clock() - started


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    print(json.dumps(measured("--small" in sys.argv), indent=2))
