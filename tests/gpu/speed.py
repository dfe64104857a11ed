"""How fast is it: VMamba-T's stages beside the roofline, an empty launch and the unfused path, all in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from compile.kernels.native_cuda import CudaKernel
from compile.kernels.torch_scan import selective_scan_2d
from tests.compile.scan_call import Scan
from tests.gpu.bench import Peaks, microseconds
from tests.gpu.scans import ROUTES, STAGES, DeviceScan, on_device, stage_operands, stage_scan

Row = dict[str, Any]
BATCHES = (1, 8, 64)
TYPES = {"float16": ("float16",) * 3, "float32": ("float32",) * 3, "int8": ("int8",) * 3}
BUFFER_BYTES = 200 * 2**20  # taken in turns, so that no cache holds them all; at most MAX_BUFFERS
MAX_BUFFERS = 8
# What the operator itself needs, an element (route x pixel x channel). D u comes once a pixel and channel; dt's
# projection is R multiply-adds in float32, and none where the tensor cores do it.
SPECIAL = 2  # both exponentials; the logarithm is a polynomial
ARITHMETIC = 8  # softplus 3, delta u, B, delta A, recurrence, C
# Our instructions of all kinds, an element (cuda/selective_scan.cuh): a constant, and what each of R adds.
SLOTS = {"tensor": (44.0, 0.22), "ffma": (47.0, 1.85)}


def speed_rows(kernel: CudaKernel, peaks: Peaks) -> Iterator[Row]:
    """One row a stage, batch and type; times in microseconds."""
    for side, d, scans in STAGES:
        for batch in BATCHES:
            for name, types in TYPES.items():
                buffers = _buffers(kernel, side, d, batch, types)
                work = {f"tactic {number}": _turns(buffers, number) for number in range(kernel.tactics + 1)}
                times = microseconds(work, rounds=3)
                best = min(list(times)[1:], key=lambda tactic: times[tactic])
                again = microseconds({tactic: work[tactic] for tactic in ("tactic 0", best)})
                row = {"stage": side, "scans": scans, "batch": batch, "type": name, "us": again["tactic 0"]}
                row |= {"best": best, "best_us": again[best], **_roofline(side, d, batch, name, peaks)}
                row["of_roofline"] = row["roofline_us"] / min(row["us"], row["best_us"])
                row["launches"] = row["us"] / peaks.launch_us
                yield row
                del work, buffers
                torch.cuda.empty_cache()


def unfused_rows(kernel: CudaKernel) -> Iterator[Row]:
    """The path of separate operations against ours, in one interleaved run; batch 8 and 64, float16."""
    core, name = _unfused()
    for side, d, scans in STAGES:
        for batch in BATCHES[1:]:
            tensors = stage_operands(side, d, batch, "cuda")
            halves = [tensors[0].half(), tensors[1].half(), *tensors[2:]]
            ours = _turns(_buffers(kernel, side, d, batch, TYPES["float16"]), 0)
            forms: dict[str, Callable[[int], object]] = {"ours": ours, "unfused": partial(core, halves)}
            times = microseconds(forms, rounds=5)
            ratio = times["unfused"] / times["ours"]
            yield {"stage": side, "scans": scans, "batch": batch, "path": name, **times, "ratio": ratio}


def _buffers(kernel: CudaKernel, side: int, d: int, batch: int, types: tuple[str, str, str]) -> list[DeviceScan]:
    """The same scan over and over, so that no cache holds all."""
    scan = stage_scan(side, d, batch, types)
    size = sum(tensor.numel() * tensor.element_size() for tensor in scan.tensors[:2])
    count = max(1, min(MAX_BUFFERS, BUFFER_BYTES // (2 * size)))
    return [on_device(kernel, _copied(scan)) for _ in range(count)]


def _copied(scan: Scan) -> Scan:
    return replace(scan, tensors=tuple(tensor.clone() for tensor in scan.tensors))


def _turns(buffers: Sequence[DeviceScan], tactic: int) -> Callable[[int], None]:
    scans = [buffer.with_tactic(tactic) for buffer in buffers]
    return lambda turn: scans[turn % len(scans)].launch()


def _roofline(side: int, d: int, batch: int, type_name: str, peaks: Peaks) -> Row:
    """The three terms in microseconds, the largest, and, no part of it, what our instructions take to issue."""
    k, r, pixels = len(ROUTES), d // 16, batch * side * side
    element = {"float16": 2, "float32": 4, "int8": 1}[type_name]
    elements = k * pixels * d
    form = "ffma" if type_name == "float32" else "tensor"
    constant, per_rank = SLOTS[form]
    needed = ARITHMETIC + 1 / k + (r if form == "ffma" else 0)
    terms = {
        "bytes_us": pixels * (2 * d + k * (r + 2)) * element / peaks.copy * 1e6,
        "special_us": SPECIAL * elements / peaks.special * 1e6,
        "fp32_us": needed * elements / peaks.ffma * 1e6,
    }
    ours = (constant + per_rank * r) * elements / peaks.ffma * 1e6
    return {**terms, "roofline_us": max(terms.values()), "own_issue_us": ours}


def _unfused() -> tuple[Callable[[list[Tensor], int], Tensor], str]:
    """The unfused path and its name: mamba_ssm's kernel where it is installed, else chunks in torch."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return lambda tensors, _: selective_scan_2d(*tensors, list(ROUTES), "last"), "torch, chunks"
    return lambda tensors, _: _with_mamba(tensors, selective_scan_fn), "torch + mamba_ssm"


def _with_mamba(tensors: list[Tensor], selective_scan_fn: Callable[..., Tensor]) -> Tensor:
    """Cross-scan, dt projection, scan, cross-merge as VMamba's published code has them; the four routes of ROUTES."""
    u, x_dbl, dt_weight, dt_bias, A, D = tensors
    batch, height, width, d = u.shape
    k, _, rank = dt_weight.shape
    u_k = torch.stack(_routed(u, u.unsqueeze(0).expand(k, -1, -1, -1, -1)))  # (K,B,L,D)
    x_k = torch.stack(_routed(u, x_dbl.view(batch, height, width, k, -1).permute(3, 0, 1, 2, 4)))  # (K,B,L,R+2)
    delta = torch.einsum("kblr,kdr->bkdl", x_k[..., :rank].float(), dt_weight).reshape(batch, k * d, -1)
    b, c = (x_k[..., rank + i].permute(1, 0, 2).unsqueeze(2).float().contiguous() for i in range(2))
    scanned = u_k.permute(1, 0, 3, 2).reshape(batch, k * d, -1)
    half = selective_scan_fn(
        scanned,
        delta.to(u.dtype),
        A.view(k * d, 1),
        b.to(u.dtype),
        c.to(u.dtype),
        D.view(-1),
        None,
        dt_bias.view(-1),
        True,
    )
    merged = torch.zeros(batch, height, width, d, device=u.device)
    for route, one in enumerate(half.view(batch, k, d, -1).unbind(1)):
        tokens = one.flip(-1) if route >= 2 else one
        shape = (batch, d, width, height) if route % 2 else (batch, d, height, width)
        merged += tokens.view(shape).permute(0, 3, 2, 1) if route % 2 else tokens.view(shape).permute(0, 2, 3, 1)
    return merged.to(u.dtype)


def _routed(u: Tensor, maps: Tensor) -> list[Tensor]:
    """(K,B,H,W,E) -> K of (B,L,E) in the order of ROUTES."""
    tokens = [(one.transpose(1, 2) if route % 2 else one).flatten(1, 2) for route, one in enumerate(maps)]
    return [one.flip(1) if route >= 2 else one for route, one in enumerate(tokens)]
