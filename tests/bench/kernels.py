"""SelectiveScan2D in one run: native kernel, ONNX Runtime's LinearAttention, torch form, and streaming its bytes.

Nanoseconds an element (batch x route x pixel x channel), weighted over VMamba-T's four stages at 224x224, batch 1.
One-thread figures are CPU time of the thread, so that a busy machine counts less; all forms are interleaved. Weights
are packed before the forward pass is timed, as ONNX Runtime's operator does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from onnx import helper
from torch import Tensor

from compile.kernels.build import kernel_from_sources
from compile.kernels.native import BEST_ISA, ISAS, NativeKernel
from compile.kernels.torch_native import NativeScan
from compile.kernels.torch_scan import selective_scan_2d
from edge.cpu import load_cpu

ROUTES = (0, 1, 2, 3)
STAGES = ((56, 96, 2), (28, 192, 2), (14, 384, 8), (7, 768, 2))  # side, D, scans of VMamba-T[s1l8]
ROUNDS = 15


@dataclass(frozen=True)
class Stage:
    """One stage's operands, and how often the network runs it."""

    tensors: tuple[Tensor, ...]
    scans: int

    @property
    def elements(self) -> int:
        """Of one scan: routes x pixels x channels."""
        return len(ROUTES) * self.tensors[0].numel()


def stages() -> Iterator[Stage]:
    """VMamba-T's four, with random weights."""
    generator = torch.Generator().manual_seed(0)
    for side, d, scans in STAGES:
        k, r = len(ROUTES), d // 16
        shapes = [(1, side, side, d), (1, side, side, k * (r + 2)), (k, d, r), (k, d), (k, d, 1), (k, d)]
        tensors = [torch.randn(shape, generator=generator) * 0.5 for shape in shapes]
        tensors[4] = -tensors[4].exp()
        yield Stage(tuple(tensors), scans)


def linear_attention(stage: Stage) -> Callable[[], Any]:
    """The recurrence alone, h = exp(g) h + k v, in ONNX Runtime's operator; the four routes as a batch."""
    side, d = stage.tensors[0].shape[1], stage.tensors[0].shape[3]
    heads = {"q_num_heads": d, "kv_num_heads": d}
    node = helper.make_node(
        "LinearAttention",
        ["q", "k", "v", "", "g"],
        ["y", "state"],
        domain="com.microsoft",
        update_rule="gated",
        scale=1.0,
        **heads,
    )
    shape = (len(ROUTES), side * side, d)
    inputs = [helper.make_tensor_value_info(name, 1, shape) for name in "qkvg"]
    outputs = [helper.make_tensor_value_info("y", 1, shape)]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "recurrence", inputs, outputs)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name in "qkv"}
    feeds["g"] = -np.abs(rng.normal(size=shape)).astype(np.float32)
    return lambda: session.run(["y"], feeds)


def streaming(stage: Stage) -> Callable[[], Any]:
    """Read u and x_dbl and write y once."""
    u, x_dbl = stage.tensors[:2]
    y, sink = torch.empty_like(u), torch.empty_like(x_dbl)
    return lambda: (y.copy_(u), sink.copy_(x_dbl))


def forward(kernel: NativeKernel, stage: Stage, threads: int, isa: int = BEST_ISA) -> Callable[[], Any]:
    """The native forward pass with packed weights; one state needs no workspace."""
    scan, y = NativeScan(kernel, threads, isa), torch.empty_like(stage.tensors[0])
    params = scan.params(stage.tensors, ROUTES, "last")
    params.y, params.y_strides = y.data_ptr(), params.u_strides
    packed = scan.packed(params, kernel.bytes_from_params(params).packed)
    return lambda: (kernel.forward(params, packed.data_ptr(), 0, 0, threads), y)


def forms(kernel: NativeKernel, stage: Stage) -> dict[str, Callable[[], Any]]:
    """Name -> one scan."""
    tensors, upstream = stage.tensors, stage.tensors[0]
    best = NativeScan(kernel, 1)
    found: dict[str, Callable[[], Any]] = {}
    for name in kernel.isas:
        found[name] = forward(kernel, stage, 1, ISAS[name])
    found["backward"] = lambda: best.backward(upstream, *tensors, ROUTES, "last")
    found["linear_attention"] = linear_attention(stage)
    found["torch_chunked"] = lambda: selective_scan_2d(*tensors, list(ROUTES), "last")
    found["stream"] = streaming(stage)
    return found


def measured(small: bool) -> dict[str, Any]:
    """The keys of the kernel benchmark; `isa_ns` holds every instruction set of this machine."""
    torch.set_num_threads(1)
    rounds = 3 if small else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        kernel = NativeKernel(kernel_from_sources(load_cpu().machine, Path(folder)).path)
    ns, speedup = weighted(kernel, rounds)
    best = kernel.isas[-1]
    return {
        "isa": best,
        "ns_per_element_1t": ns[best],
        "ns_per_element_2t": ns[best] / speedup,
        "backward_ns": ns["backward"],
        "linear_attention_ns": ns["linear_attention"],
        "torch_chunked_ns": ns["torch_chunked"],
        "stream_ns": ns["stream"],
        "isa_ns": {name: ns[name] for name in kernel.isas},
        "ratios": {name: value / ns[best] for name, value in ns.items()} | {"two_threads": 1 / speedup},
    }


def weighted(kernel: NativeKernel, rounds: int) -> tuple[dict[str, float], float]:
    """ns an element of every form, and how much faster two threads are (wall time, best of the rounds)."""
    totals: dict[str, float] = {}
    wall, elements = {1: 0.0, 2: 0.0}, 0
    for stage in stages():
        found = forms(kernel, stage)
        threaded = {count: forward(kernel, stage, count) for count in wall}
        times: dict[str, list[float]] = {name: [] for name in found}
        walls: dict[int, list[float]] = {count: [] for count in wall}
        for _ in range(rounds):
            for name, run in found.items():
                times[name].append(seconds(run, time.thread_time))
            for count, run in threaded.items():
                walls[count].append(seconds(run))
        for name, values in times.items():
            totals[name] = totals.get(name, 0.0) + stage.scans * sorted(values)[len(values) // 2]
        for count, values in walls.items():
            wall[count] += stage.scans * min(values)
        elements += stage.scans * stage.elements
    return {name: total * 1e9 / elements for name, total in totals.items()}, wall[1] / wall[2]


def seconds(run: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    run()
    return clock() - started


if __name__ == "__main__":
    print(json.dumps(measured("--small" in sys.argv), indent=2))
