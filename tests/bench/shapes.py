"""How fast shapes of a student are before any is trained: INT8 with random weights and ranges, native scan, one run.

`python -m tests.bench.shapes` prints the table alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compile.kernels.build import kernel_from_sources
from compile.kernels.torch_scan import ROUTES
from compile.macs import macs_from_model
from compile.model.ss2d import SS2D
from compile.model.students import SHAPES, Student
from compile.model.vmamba import VMamba, VMambaShape
from compile.model.vss_block import VSSBlock
from compile.model.zoo import model_from_name
from edge.cpu import load_cpu
from edge.files import cache_from_environment
from edge.preprocess import Preprocess
from tests.bench.random_models import CLASSES, fp32_from_module, int8_from_fp32
from tests.bench.turns import latencies

SIZE_PX = 224
SMALLER_PX = (160, 192)
PEERS = ("resnet18", "mobilenetv4_conv_small")
NANO = VMambaShape((48, 96, 192, 384), (2, 2, 4, 2), ssm_ratio=1.0)  # scans in all four stages, K = 4, mlp 4
QUICK = ("edge_n", "mobilenetv4_conv_small")


@dataclass(frozen=True)
class Candidate:
    """One row.

    Attributes:
        name: of the row.
        size_px: side of the input.
        make: builds the module.
    """

    name: str
    size_px: int
    make: Callable[[], nn.Module]


def candidates() -> Iterator[Candidate]:
    """Students, their twins without scan, variants of one choice each, and peers."""
    for name, shape in SHAPES.items():
        for size_px in (SIZE_PX, *SMALLER_PX):
            suffix = "" if size_px == SIZE_PX else f"_{size_px}px"
            yield Candidate(f"{name}{suffix}", size_px, lambda shape=shape: Student(shape, CLASSES))
        yield Candidate(f"{name}_noscan", SIZE_PX, lambda shape=shape: Student(shape, CLASSES, scan=False))
        yield Candidate(f"{name}_4_routes", SIZE_PX, lambda shape=shape: with_all_routes(Student(shape, CLASSES)))
        for ratio in sorted({2.0, 3.0, 4.0} - {shape.mlp_ratio}):
            changed = replace(shape, mlp_ratio=ratio)
            yield Candidate(f"{name}_mlp_{ratio:.0f}", SIZE_PX, lambda shape=changed: Student(shape, CLASSES))
    yield Candidate("nano_all_scan", SIZE_PX, lambda: VMamba(NANO, CLASSES, 1))
    for peer in PEERS:
        yield Candidate(peer, SIZE_PX, lambda peer=peer: model_from_name(peer, CLASSES, 1))


def with_all_routes(student: Student) -> Student:
    """A student whose blocks scan along all four routes."""
    for block in student.modules():
        if isinstance(block, VSSBlock):
            block.op = SS2D(block.op.in_proj.in_features, routes=ROUTES)
    return student


def measured(small: bool) -> dict[str, Any]:
    """Rows sorted by their latency with one thread."""
    chosen = [candidate for candidate in candidates() if not small or candidate.name in QUICK]
    library = kernel_from_sources(load_cpu().machine, cache_from_environment(os.environ)).path.read_bytes()
    rows, models = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for candidate in chosen:
            torch.manual_seed(0)
            module = candidate.make().eval()
            fp32 = fp32_from_module(module, candidate.name, candidate.size_px, Path(folder))
            model = int8_from_fp32(fp32, candidate.size_px).path.read_bytes()
            models[candidate.name] = (model, (library,), candidate.size_px)
            rows[candidate.name] = {"size_px": candidate.size_px, **counts(module, candidate.size_px)}
    for threads in (1, 2):
        for name, times in latencies(models, threads, 3 if small else 30).items():
            rows[name][f"threads_{threads}"] = times
    ordered = sorted(rows.items(), key=lambda item: float(item[1]["threads_1"]["p50_ms"]))
    return {"clock": {"threads_1": "CPU time", "threads_2": "wall"}, "precision": "int8", "rows": dict(ordered)}


def counts(module: nn.Module, size_px: int) -> dict[str, float]:
    """Parameters and multiply-accumulates of one image, millions."""
    parameters = sum(parameter.numel() for parameter in module.parameters())
    macs = macs_from_model(module, Preprocess(size_px))
    return {"parameters_m": round(parameters / 1e6, 2), "macs_m": round(macs / 1e6, 1)}


def main() -> None:
    """Measure and print the table; "small" as an argument makes it quick."""
    rows = measured("small" in sys.argv[1:])["rows"]
    first = rows["edge_n"]
    for name, row in rows.items():
        one, two = row["threads_1"]["p50_ms"], row["threads_2"]
        ratio = one / first["threads_1"]["p50_ms"]
        figures = f"{row['size_px']:4} px {row['parameters_m']:6.2f} M {row['macs_m']:7.1f} M MACs"
        print(f"{name:24} {figures} {one:7.2f} ms ({ratio:4.2f}) {two['p50_ms']:7.2f} ms, best {two['best_ms']:6.2f}")


if __name__ == "__main__":
    main()
